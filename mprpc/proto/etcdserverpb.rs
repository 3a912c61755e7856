// Made from etcd/rpc.proto by a test of mprpc-build, which says when it is out of date.

#[derive(Clone, PartialEq, Default)]
pub struct ResponseHeader {
    /// Field 3: `revision`
    pub revision: i64,
}
impl ::core::fmt::Debug for ResponseHeader {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("ResponseHeader").field("revision", &self.revision).finish()
    }
}
impl ResponseHeader {
    /// Protobuf type URL for this message, for use with `Any::pack` and
    /// `Any::unpack_if`.
    ///
    /// Format: `type.googleapis.com/<fully.qualified.TypeName>`
    pub const TYPE_URL: &'static str = "type.googleapis.com/etcdserverpb.ResponseHeader";
}
::buffa::impl_default_instance!(ResponseHeader);
impl ::buffa::MessageName for ResponseHeader {
    const PACKAGE: &'static str = "etcdserverpb";
    const NAME: &'static str = "ResponseHeader";
    const FULL_NAME: &'static str = "etcdserverpb.ResponseHeader";
    const TYPE_URL: &'static str = "type.googleapis.com/etcdserverpb.ResponseHeader";
}
impl ::buffa::Message for ResponseHeader {
    /// Returns the total encoded size in bytes.
    ///
    /// Accumulates in `u64` (which cannot overflow for in-memory
    /// data) and saturates to `u32` at return, so a message whose
    /// encoded size exceeds the 2 GiB protobuf limit yields a value
    /// above [`::buffa::MAX_MESSAGE_BYTES`] that the encode entry
    /// points reject, never a silently wrapped size.
    #[allow(clippy::let_and_return)]
    fn compute_size(&self, _cache: &mut ::buffa::SizeCache) -> u32 {
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        let mut size = 0u64;
        if self.revision != 0i64 {
            size += 1u64 + ::buffa::types::int64_encoded_len(self.revision) as u64;
        }
        ::buffa::saturate_size(size)
    }
    fn write_to(
        &self,
        _cache: &mut ::buffa::SizeCache,
        buf: &mut impl ::buffa::EncodeSink,
    ) {
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        if self.revision != 0i64 {
            ::buffa::types::put_int64_field(3u32, self.revision, buf);
        }
    }
    fn merge_field(
        &mut self,
        tag: ::buffa::encoding::Tag,
        buf: &mut impl ::buffa::bytes::Buf,
        ctx: ::buffa::DecodeContext<'_>,
    ) -> ::core::result::Result<(), ::buffa::DecodeError> {
        #[allow(unused_imports)]
        use ::buffa::bytes::Buf as _;
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        match tag.field_number() {
            3u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::Varint,
                )?;
                self.revision = ::buffa::types::decode_int64(buf)?;
            }
            _ => {
                ::buffa::encoding::skip_field_depth(tag, buf, ctx.depth())?;
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {
        self.revision = 0i64;
    }
}
#[derive(Clone, PartialEq, Default)]
pub struct KeyValue {
    /// Field 1: `key`
    pub key: ::buffa::alloc::vec::Vec<u8>,
    /// Field 3: `mod_revision`
    pub mod_revision: i64,
    /// Field 5: `value`
    pub value: ::buffa::alloc::vec::Vec<u8>,
    /// Field 6: `lease`
    pub lease: i64,
}
impl ::core::fmt::Debug for KeyValue {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("KeyValue")
            .field("key", &self.key)
            .field("mod_revision", &self.mod_revision)
            .field("value", &self.value)
            .field("lease", &self.lease)
            .finish()
    }
}
impl KeyValue {
    /// Protobuf type URL for this message, for use with `Any::pack` and
    /// `Any::unpack_if`.
    ///
    /// Format: `type.googleapis.com/<fully.qualified.TypeName>`
    pub const TYPE_URL: &'static str = "type.googleapis.com/etcdserverpb.KeyValue";
}
::buffa::impl_default_instance!(KeyValue);
impl ::buffa::MessageName for KeyValue {
    const PACKAGE: &'static str = "etcdserverpb";
    const NAME: &'static str = "KeyValue";
    const FULL_NAME: &'static str = "etcdserverpb.KeyValue";
    const TYPE_URL: &'static str = "type.googleapis.com/etcdserverpb.KeyValue";
}
impl ::buffa::Message for KeyValue {
    /// Returns the total encoded size in bytes.
    ///
    /// Accumulates in `u64` (which cannot overflow for in-memory
    /// data) and saturates to `u32` at return, so a message whose
    /// encoded size exceeds the 2 GiB protobuf limit yields a value
    /// above [`::buffa::MAX_MESSAGE_BYTES`] that the encode entry
    /// points reject, never a silently wrapped size.
    #[allow(clippy::let_and_return)]
    fn compute_size(&self, _cache: &mut ::buffa::SizeCache) -> u32 {
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        let mut size = 0u64;
        if !self.key.is_empty() {
            size += 1u64 + ::buffa::types::bytes_encoded_len(&self.key) as u64;
        }
        if self.mod_revision != 0i64 {
            size += 1u64 + ::buffa::types::int64_encoded_len(self.mod_revision) as u64;
        }
        if !self.value.is_empty() {
            size += 1u64 + ::buffa::types::bytes_encoded_len(&self.value) as u64;
        }
        if self.lease != 0i64 {
            size += 1u64 + ::buffa::types::int64_encoded_len(self.lease) as u64;
        }
        ::buffa::saturate_size(size)
    }
    fn write_to(
        &self,
        _cache: &mut ::buffa::SizeCache,
        buf: &mut impl ::buffa::EncodeSink,
    ) {
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        if !self.key.is_empty() {
            ::buffa::types::put_shared_bytes_field(1u32, &self.key, buf);
        }
        if self.mod_revision != 0i64 {
            ::buffa::types::put_int64_field(3u32, self.mod_revision, buf);
        }
        if !self.value.is_empty() {
            ::buffa::types::put_shared_bytes_field(5u32, &self.value, buf);
        }
        if self.lease != 0i64 {
            ::buffa::types::put_int64_field(6u32, self.lease, buf);
        }
    }
    fn merge_field(
        &mut self,
        tag: ::buffa::encoding::Tag,
        buf: &mut impl ::buffa::bytes::Buf,
        ctx: ::buffa::DecodeContext<'_>,
    ) -> ::core::result::Result<(), ::buffa::DecodeError> {
        #[allow(unused_imports)]
        use ::buffa::bytes::Buf as _;
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        match tag.field_number() {
            1u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::LengthDelimited,
                )?;
                ::buffa::types::merge_bytes(&mut self.key, buf)?;
            }
            3u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::Varint,
                )?;
                self.mod_revision = ::buffa::types::decode_int64(buf)?;
            }
            5u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::LengthDelimited,
                )?;
                ::buffa::types::merge_bytes(&mut self.value, buf)?;
            }
            6u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::Varint,
                )?;
                self.lease = ::buffa::types::decode_int64(buf)?;
            }
            _ => {
                ::buffa::encoding::skip_field_depth(tag, buf, ctx.depth())?;
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {
        self.key.clear();
        self.mod_revision = 0i64;
        self.value.clear();
        self.lease = 0i64;
    }
}
#[derive(Clone, PartialEq, Default)]
pub struct RangeRequest {
    /// Field 1: `key`
    pub key: ::buffa::alloc::vec::Vec<u8>,
    /// Field 2: `range_end`
    pub range_end: ::buffa::alloc::vec::Vec<u8>,
    /// Field 3: `limit`
    pub limit: i64,
}
impl ::core::fmt::Debug for RangeRequest {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("RangeRequest")
            .field("key", &self.key)
            .field("range_end", &self.range_end)
            .field("limit", &self.limit)
            .finish()
    }
}
impl RangeRequest {
    /// Protobuf type URL for this message, for use with `Any::pack` and
    /// `Any::unpack_if`.
    ///
    /// Format: `type.googleapis.com/<fully.qualified.TypeName>`
    pub const TYPE_URL: &'static str = "type.googleapis.com/etcdserverpb.RangeRequest";
}
::buffa::impl_default_instance!(RangeRequest);
impl ::buffa::MessageName for RangeRequest {
    const PACKAGE: &'static str = "etcdserverpb";
    const NAME: &'static str = "RangeRequest";
    const FULL_NAME: &'static str = "etcdserverpb.RangeRequest";
    const TYPE_URL: &'static str = "type.googleapis.com/etcdserverpb.RangeRequest";
}
impl ::buffa::Message for RangeRequest {
    /// Returns the total encoded size in bytes.
    ///
    /// Accumulates in `u64` (which cannot overflow for in-memory
    /// data) and saturates to `u32` at return, so a message whose
    /// encoded size exceeds the 2 GiB protobuf limit yields a value
    /// above [`::buffa::MAX_MESSAGE_BYTES`] that the encode entry
    /// points reject, never a silently wrapped size.
    #[allow(clippy::let_and_return)]
    fn compute_size(&self, _cache: &mut ::buffa::SizeCache) -> u32 {
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        let mut size = 0u64;
        if !self.key.is_empty() {
            size += 1u64 + ::buffa::types::bytes_encoded_len(&self.key) as u64;
        }
        if !self.range_end.is_empty() {
            size += 1u64 + ::buffa::types::bytes_encoded_len(&self.range_end) as u64;
        }
        if self.limit != 0i64 {
            size += 1u64 + ::buffa::types::int64_encoded_len(self.limit) as u64;
        }
        ::buffa::saturate_size(size)
    }
    fn write_to(
        &self,
        _cache: &mut ::buffa::SizeCache,
        buf: &mut impl ::buffa::EncodeSink,
    ) {
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        if !self.key.is_empty() {
            ::buffa::types::put_shared_bytes_field(1u32, &self.key, buf);
        }
        if !self.range_end.is_empty() {
            ::buffa::types::put_shared_bytes_field(2u32, &self.range_end, buf);
        }
        if self.limit != 0i64 {
            ::buffa::types::put_int64_field(3u32, self.limit, buf);
        }
    }
    fn merge_field(
        &mut self,
        tag: ::buffa::encoding::Tag,
        buf: &mut impl ::buffa::bytes::Buf,
        ctx: ::buffa::DecodeContext<'_>,
    ) -> ::core::result::Result<(), ::buffa::DecodeError> {
        #[allow(unused_imports)]
        use ::buffa::bytes::Buf as _;
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        match tag.field_number() {
            1u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::LengthDelimited,
                )?;
                ::buffa::types::merge_bytes(&mut self.key, buf)?;
            }
            2u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::LengthDelimited,
                )?;
                ::buffa::types::merge_bytes(&mut self.range_end, buf)?;
            }
            3u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::Varint,
                )?;
                self.limit = ::buffa::types::decode_int64(buf)?;
            }
            _ => {
                ::buffa::encoding::skip_field_depth(tag, buf, ctx.depth())?;
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {
        self.key.clear();
        self.range_end.clear();
        self.limit = 0i64;
    }
}
#[derive(Clone, PartialEq, Default)]
pub struct RangeResponse {
    /// Field 1: `header`
    pub header: ::buffa::MessageField<ResponseHeader, ::buffa::Inline<ResponseHeader>>,
    /// Field 2: `kvs`
    pub kvs: ::buffa::alloc::vec::Vec<KeyValue>,
    /// Field 3: `more`
    pub more: bool,
    /// Field 4: `count`
    pub count: i64,
}
impl ::core::fmt::Debug for RangeResponse {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("RangeResponse")
            .field("header", &self.header)
            .field("kvs", &self.kvs)
            .field("more", &self.more)
            .field("count", &self.count)
            .finish()
    }
}
impl RangeResponse {
    /// Protobuf type URL for this message, for use with `Any::pack` and
    /// `Any::unpack_if`.
    ///
    /// Format: `type.googleapis.com/<fully.qualified.TypeName>`
    pub const TYPE_URL: &'static str = "type.googleapis.com/etcdserverpb.RangeResponse";
}
::buffa::impl_default_instance!(RangeResponse);
impl ::buffa::MessageName for RangeResponse {
    const PACKAGE: &'static str = "etcdserverpb";
    const NAME: &'static str = "RangeResponse";
    const FULL_NAME: &'static str = "etcdserverpb.RangeResponse";
    const TYPE_URL: &'static str = "type.googleapis.com/etcdserverpb.RangeResponse";
}
impl ::buffa::Message for RangeResponse {
    /// Returns the total encoded size in bytes.
    ///
    /// Accumulates in `u64` (which cannot overflow for in-memory
    /// data) and saturates to `u32` at return, so a message whose
    /// encoded size exceeds the 2 GiB protobuf limit yields a value
    /// above [`::buffa::MAX_MESSAGE_BYTES`] that the encode entry
    /// points reject, never a silently wrapped size.
    #[allow(clippy::let_and_return)]
    fn compute_size(&self, __cache: &mut ::buffa::SizeCache) -> u32 {
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        let mut size = 0u64;
        if self.header.is_set() {
            let __slot = __cache.reserve();
            let inner_size = self.header.compute_size(__cache);
            __cache.set(__slot, inner_size);
            size
                += 1u64 + ::buffa::encoding::varint_len(inner_size as u64) as u64
                    + inner_size as u64;
        }
        for v in &self.kvs {
            let __slot = __cache.reserve();
            let inner_size = v.compute_size(__cache);
            __cache.set(__slot, inner_size);
            size
                += 1u64 + ::buffa::encoding::varint_len(inner_size as u64) as u64
                    + inner_size as u64;
        }
        if self.more {
            size += 1u64 + ::buffa::types::BOOL_ENCODED_LEN as u64;
        }
        if self.count != 0i64 {
            size += 1u64 + ::buffa::types::int64_encoded_len(self.count) as u64;
        }
        ::buffa::saturate_size(size)
    }
    fn write_to(
        &self,
        __cache: &mut ::buffa::SizeCache,
        buf: &mut impl ::buffa::EncodeSink,
    ) {
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        if self.header.is_set() {
            ::buffa::types::put_len_delimited_header(
                1u32,
                u64::from(__cache.consume_next()),
                buf,
            );
            self.header.write_to(__cache, buf);
        }
        for v in &self.kvs {
            ::buffa::types::put_len_delimited_header(
                2u32,
                u64::from(__cache.consume_next()),
                buf,
            );
            v.write_to(__cache, buf);
        }
        if self.more {
            ::buffa::types::put_bool_field(3u32, self.more, buf);
        }
        if self.count != 0i64 {
            ::buffa::types::put_int64_field(4u32, self.count, buf);
        }
    }
    fn merge_field(
        &mut self,
        tag: ::buffa::encoding::Tag,
        buf: &mut impl ::buffa::bytes::Buf,
        ctx: ::buffa::DecodeContext<'_>,
    ) -> ::core::result::Result<(), ::buffa::DecodeError> {
        #[allow(unused_imports)]
        use ::buffa::bytes::Buf as _;
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        match tag.field_number() {
            1u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::LengthDelimited,
                )?;
                ::buffa::Message::merge_length_delimited(
                    self.header.get_or_insert_default(),
                    buf,
                    ctx,
                )?;
            }
            2u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::LengthDelimited,
                )?;
                let mut elem = ::core::default::Default::default();
                ctx.register_element_memory(
                    ::buffa::__private::element_footprint(&elem),
                )?;
                ::buffa::Message::merge_length_delimited(&mut elem, buf, ctx)?;
                self.kvs.push(elem);
            }
            3u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::Varint,
                )?;
                self.more = ::buffa::types::decode_bool(buf)?;
            }
            4u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::Varint,
                )?;
                self.count = ::buffa::types::decode_int64(buf)?;
            }
            _ => {
                ::buffa::encoding::skip_field_depth(tag, buf, ctx.depth())?;
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {
        self.header = ::buffa::MessageField::none();
        self.kvs.clear();
        self.more = false;
        self.count = 0i64;
    }
}
#[derive(Clone, PartialEq, Default)]
pub struct PutRequest {
    /// Field 1: `key`
    pub key: ::buffa::alloc::vec::Vec<u8>,
    /// Field 2: `value`
    pub value: ::buffa::alloc::vec::Vec<u8>,
    /// Field 3: `lease`
    pub lease: i64,
}
impl ::core::fmt::Debug for PutRequest {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("PutRequest")
            .field("key", &self.key)
            .field("value", &self.value)
            .field("lease", &self.lease)
            .finish()
    }
}
impl PutRequest {
    /// Protobuf type URL for this message, for use with `Any::pack` and
    /// `Any::unpack_if`.
    ///
    /// Format: `type.googleapis.com/<fully.qualified.TypeName>`
    pub const TYPE_URL: &'static str = "type.googleapis.com/etcdserverpb.PutRequest";
}
::buffa::impl_default_instance!(PutRequest);
impl ::buffa::MessageName for PutRequest {
    const PACKAGE: &'static str = "etcdserverpb";
    const NAME: &'static str = "PutRequest";
    const FULL_NAME: &'static str = "etcdserverpb.PutRequest";
    const TYPE_URL: &'static str = "type.googleapis.com/etcdserverpb.PutRequest";
}
impl ::buffa::Message for PutRequest {
    /// Returns the total encoded size in bytes.
    ///
    /// Accumulates in `u64` (which cannot overflow for in-memory
    /// data) and saturates to `u32` at return, so a message whose
    /// encoded size exceeds the 2 GiB protobuf limit yields a value
    /// above [`::buffa::MAX_MESSAGE_BYTES`] that the encode entry
    /// points reject, never a silently wrapped size.
    #[allow(clippy::let_and_return)]
    fn compute_size(&self, _cache: &mut ::buffa::SizeCache) -> u32 {
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        let mut size = 0u64;
        if !self.key.is_empty() {
            size += 1u64 + ::buffa::types::bytes_encoded_len(&self.key) as u64;
        }
        if !self.value.is_empty() {
            size += 1u64 + ::buffa::types::bytes_encoded_len(&self.value) as u64;
        }
        if self.lease != 0i64 {
            size += 1u64 + ::buffa::types::int64_encoded_len(self.lease) as u64;
        }
        ::buffa::saturate_size(size)
    }
    fn write_to(
        &self,
        _cache: &mut ::buffa::SizeCache,
        buf: &mut impl ::buffa::EncodeSink,
    ) {
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        if !self.key.is_empty() {
            ::buffa::types::put_shared_bytes_field(1u32, &self.key, buf);
        }
        if !self.value.is_empty() {
            ::buffa::types::put_shared_bytes_field(2u32, &self.value, buf);
        }
        if self.lease != 0i64 {
            ::buffa::types::put_int64_field(3u32, self.lease, buf);
        }
    }
    fn merge_field(
        &mut self,
        tag: ::buffa::encoding::Tag,
        buf: &mut impl ::buffa::bytes::Buf,
        ctx: ::buffa::DecodeContext<'_>,
    ) -> ::core::result::Result<(), ::buffa::DecodeError> {
        #[allow(unused_imports)]
        use ::buffa::bytes::Buf as _;
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        match tag.field_number() {
            1u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::LengthDelimited,
                )?;
                ::buffa::types::merge_bytes(&mut self.key, buf)?;
            }
            2u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::LengthDelimited,
                )?;
                ::buffa::types::merge_bytes(&mut self.value, buf)?;
            }
            3u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::Varint,
                )?;
                self.lease = ::buffa::types::decode_int64(buf)?;
            }
            _ => {
                ::buffa::encoding::skip_field_depth(tag, buf, ctx.depth())?;
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {
        self.key.clear();
        self.value.clear();
        self.lease = 0i64;
    }
}
#[derive(Clone, PartialEq, Default)]
pub struct PutResponse {}
impl ::core::fmt::Debug for PutResponse {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("PutResponse").finish()
    }
}
impl PutResponse {
    /// Protobuf type URL for this message, for use with `Any::pack` and
    /// `Any::unpack_if`.
    ///
    /// Format: `type.googleapis.com/<fully.qualified.TypeName>`
    pub const TYPE_URL: &'static str = "type.googleapis.com/etcdserverpb.PutResponse";
}
::buffa::impl_default_instance!(PutResponse);
impl ::buffa::MessageName for PutResponse {
    const PACKAGE: &'static str = "etcdserverpb";
    const NAME: &'static str = "PutResponse";
    const FULL_NAME: &'static str = "etcdserverpb.PutResponse";
    const TYPE_URL: &'static str = "type.googleapis.com/etcdserverpb.PutResponse";
}
impl ::buffa::Message for PutResponse {
    /// Returns the total encoded size in bytes.
    ///
    /// Accumulates in `u64` (which cannot overflow for in-memory
    /// data) and saturates to `u32` at return, so a message whose
    /// encoded size exceeds the 2 GiB protobuf limit yields a value
    /// above [`::buffa::MAX_MESSAGE_BYTES`] that the encode entry
    /// points reject, never a silently wrapped size.
    #[allow(clippy::let_and_return)]
    fn compute_size(&self, _cache: &mut ::buffa::SizeCache) -> u32 {
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        let size = 0u64;
        ::buffa::saturate_size(size)
    }
    fn write_to(
        &self,
        _cache: &mut ::buffa::SizeCache,
        _buf: &mut impl ::buffa::EncodeSink,
    ) {
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
    }
    fn merge_field(
        &mut self,
        tag: ::buffa::encoding::Tag,
        buf: &mut impl ::buffa::bytes::Buf,
        ctx: ::buffa::DecodeContext<'_>,
    ) -> ::core::result::Result<(), ::buffa::DecodeError> {
        #[allow(unused_imports)]
        use ::buffa::bytes::Buf as _;
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        match tag.field_number() {
            _ => {
                ::buffa::encoding::skip_field_depth(tag, buf, ctx.depth())?;
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {}
}
/// Whether two values are equal: EQUAL is case 0 of etcd's enum of comparisons.
#[derive(Clone, PartialEq, Default)]
pub struct Compare {
    /// Field 2: `target`
    pub target: ::buffa::EnumValue<compare::CompareTarget>,
    /// Field 3: `key`
    pub key: ::buffa::alloc::vec::Vec<u8>,
    /// A case of etcd's oneof target_union.
    ///
    /// Field 6: `mod_revision`
    pub mod_revision: i64,
}
impl ::core::fmt::Debug for Compare {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("Compare")
            .field("target", &self.target)
            .field("key", &self.key)
            .field("mod_revision", &self.mod_revision)
            .finish()
    }
}
impl Compare {
    /// Protobuf type URL for this message, for use with `Any::pack` and
    /// `Any::unpack_if`.
    ///
    /// Format: `type.googleapis.com/<fully.qualified.TypeName>`
    pub const TYPE_URL: &'static str = "type.googleapis.com/etcdserverpb.Compare";
}
::buffa::impl_default_instance!(Compare);
impl ::buffa::MessageName for Compare {
    const PACKAGE: &'static str = "etcdserverpb";
    const NAME: &'static str = "Compare";
    const FULL_NAME: &'static str = "etcdserverpb.Compare";
    const TYPE_URL: &'static str = "type.googleapis.com/etcdserverpb.Compare";
}
impl ::buffa::Message for Compare {
    /// Returns the total encoded size in bytes.
    ///
    /// Accumulates in `u64` (which cannot overflow for in-memory
    /// data) and saturates to `u32` at return, so a message whose
    /// encoded size exceeds the 2 GiB protobuf limit yields a value
    /// above [`::buffa::MAX_MESSAGE_BYTES`] that the encode entry
    /// points reject, never a silently wrapped size.
    #[allow(clippy::let_and_return)]
    fn compute_size(&self, _cache: &mut ::buffa::SizeCache) -> u32 {
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        let mut size = 0u64;
        {
            let val = self.target.to_i32();
            if val != 0 {
                size += 1u64 + ::buffa::types::int32_encoded_len(val) as u64;
            }
        }
        if !self.key.is_empty() {
            size += 1u64 + ::buffa::types::bytes_encoded_len(&self.key) as u64;
        }
        if self.mod_revision != 0i64 {
            size += 1u64 + ::buffa::types::int64_encoded_len(self.mod_revision) as u64;
        }
        ::buffa::saturate_size(size)
    }
    fn write_to(
        &self,
        _cache: &mut ::buffa::SizeCache,
        buf: &mut impl ::buffa::EncodeSink,
    ) {
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        {
            let val = self.target.to_i32();
            if val != 0 {
                ::buffa::types::put_int32_field(2u32, val, buf);
            }
        }
        if !self.key.is_empty() {
            ::buffa::types::put_shared_bytes_field(3u32, &self.key, buf);
        }
        if self.mod_revision != 0i64 {
            ::buffa::types::put_int64_field(6u32, self.mod_revision, buf);
        }
    }
    fn merge_field(
        &mut self,
        tag: ::buffa::encoding::Tag,
        buf: &mut impl ::buffa::bytes::Buf,
        ctx: ::buffa::DecodeContext<'_>,
    ) -> ::core::result::Result<(), ::buffa::DecodeError> {
        #[allow(unused_imports)]
        use ::buffa::bytes::Buf as _;
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        match tag.field_number() {
            2u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::Varint,
                )?;
                self.target = ::buffa::EnumValue::from(
                    ::buffa::types::decode_int32(buf)?,
                );
            }
            3u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::LengthDelimited,
                )?;
                ::buffa::types::merge_bytes(&mut self.key, buf)?;
            }
            6u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::Varint,
                )?;
                self.mod_revision = ::buffa::types::decode_int64(buf)?;
            }
            _ => {
                ::buffa::encoding::skip_field_depth(tag, buf, ctx.depth())?;
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {
        self.target = ::buffa::EnumValue::from(0);
        self.key.clear();
        self.mod_revision = 0i64;
    }
}
pub mod compare {
    #[allow(unused_imports)]
    use super::*;
    #[allow(non_camel_case_types)]
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
    #[repr(i32)]
    pub enum CompareTarget {
        VERSION = 0i32,
        CREATE = 1i32,
        MOD = 2i32,
    }
    impl CompareTarget {
        ///Idiomatic alias for [`Self::VERSION`]; `Debug` prints the variant name.
        #[allow(non_upper_case_globals)]
        pub const Version: Self = Self::VERSION;
        ///Idiomatic alias for [`Self::CREATE`]; `Debug` prints the variant name.
        #[allow(non_upper_case_globals)]
        pub const Create: Self = Self::CREATE;
        ///Idiomatic alias for [`Self::MOD`]; `Debug` prints the variant name.
        #[allow(non_upper_case_globals)]
        pub const Mod: Self = Self::MOD;
    }
    impl ::core::default::Default for CompareTarget {
        fn default() -> Self {
            Self::VERSION
        }
    }
    impl ::buffa::Enumeration for CompareTarget {
        fn from_i32(value: i32) -> ::core::option::Option<Self> {
            match value {
                0i32 => ::core::option::Option::Some(Self::VERSION),
                1i32 => ::core::option::Option::Some(Self::CREATE),
                2i32 => ::core::option::Option::Some(Self::MOD),
                _ => ::core::option::Option::None,
            }
        }
        fn to_i32(&self) -> i32 {
            *self as i32
        }
        fn proto_name(&self) -> &'static str {
            match self {
                Self::VERSION => "VERSION",
                Self::CREATE => "CREATE",
                Self::MOD => "MOD",
            }
        }
        fn from_proto_name(name: &str) -> ::core::option::Option<Self> {
            match name {
                "VERSION" => ::core::option::Option::Some(Self::VERSION),
                "CREATE" => ::core::option::Option::Some(Self::CREATE),
                "MOD" => ::core::option::Option::Some(Self::MOD),
                _ => ::core::option::Option::None,
            }
        }
        fn values() -> &'static [Self] {
            &[Self::VERSION, Self::CREATE, Self::MOD]
        }
    }
}
#[derive(Clone, PartialEq, Default)]
pub struct RequestOp {
    /// A case of etcd's oneof request.
    ///
    /// Field 2: `request_put`
    pub request_put: ::buffa::MessageField<PutRequest, ::buffa::Inline<PutRequest>>,
}
impl ::core::fmt::Debug for RequestOp {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("RequestOp").field("request_put", &self.request_put).finish()
    }
}
impl RequestOp {
    /// Protobuf type URL for this message, for use with `Any::pack` and
    /// `Any::unpack_if`.
    ///
    /// Format: `type.googleapis.com/<fully.qualified.TypeName>`
    pub const TYPE_URL: &'static str = "type.googleapis.com/etcdserverpb.RequestOp";
}
::buffa::impl_default_instance!(RequestOp);
impl ::buffa::MessageName for RequestOp {
    const PACKAGE: &'static str = "etcdserverpb";
    const NAME: &'static str = "RequestOp";
    const FULL_NAME: &'static str = "etcdserverpb.RequestOp";
    const TYPE_URL: &'static str = "type.googleapis.com/etcdserverpb.RequestOp";
}
impl ::buffa::Message for RequestOp {
    /// Returns the total encoded size in bytes.
    ///
    /// Accumulates in `u64` (which cannot overflow for in-memory
    /// data) and saturates to `u32` at return, so a message whose
    /// encoded size exceeds the 2 GiB protobuf limit yields a value
    /// above [`::buffa::MAX_MESSAGE_BYTES`] that the encode entry
    /// points reject, never a silently wrapped size.
    #[allow(clippy::let_and_return)]
    fn compute_size(&self, __cache: &mut ::buffa::SizeCache) -> u32 {
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        let mut size = 0u64;
        if self.request_put.is_set() {
            let __slot = __cache.reserve();
            let inner_size = self.request_put.compute_size(__cache);
            __cache.set(__slot, inner_size);
            size
                += 1u64 + ::buffa::encoding::varint_len(inner_size as u64) as u64
                    + inner_size as u64;
        }
        ::buffa::saturate_size(size)
    }
    fn write_to(
        &self,
        __cache: &mut ::buffa::SizeCache,
        buf: &mut impl ::buffa::EncodeSink,
    ) {
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        if self.request_put.is_set() {
            ::buffa::types::put_len_delimited_header(
                2u32,
                u64::from(__cache.consume_next()),
                buf,
            );
            self.request_put.write_to(__cache, buf);
        }
    }
    fn merge_field(
        &mut self,
        tag: ::buffa::encoding::Tag,
        buf: &mut impl ::buffa::bytes::Buf,
        ctx: ::buffa::DecodeContext<'_>,
    ) -> ::core::result::Result<(), ::buffa::DecodeError> {
        #[allow(unused_imports)]
        use ::buffa::bytes::Buf as _;
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        match tag.field_number() {
            2u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::LengthDelimited,
                )?;
                ::buffa::Message::merge_length_delimited(
                    self.request_put.get_or_insert_default(),
                    buf,
                    ctx,
                )?;
            }
            _ => {
                ::buffa::encoding::skip_field_depth(tag, buf, ctx.depth())?;
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {
        self.request_put = ::buffa::MessageField::none();
    }
}
#[derive(Clone, PartialEq, Default)]
pub struct TxnRequest {
    /// Field 1: `compare`
    pub compare: ::buffa::alloc::vec::Vec<Compare>,
    /// Field 2: `success`
    pub success: ::buffa::alloc::vec::Vec<RequestOp>,
}
impl ::core::fmt::Debug for TxnRequest {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("TxnRequest")
            .field("compare", &self.compare)
            .field("success", &self.success)
            .finish()
    }
}
impl TxnRequest {
    /// Protobuf type URL for this message, for use with `Any::pack` and
    /// `Any::unpack_if`.
    ///
    /// Format: `type.googleapis.com/<fully.qualified.TypeName>`
    pub const TYPE_URL: &'static str = "type.googleapis.com/etcdserverpb.TxnRequest";
}
::buffa::impl_default_instance!(TxnRequest);
impl ::buffa::MessageName for TxnRequest {
    const PACKAGE: &'static str = "etcdserverpb";
    const NAME: &'static str = "TxnRequest";
    const FULL_NAME: &'static str = "etcdserverpb.TxnRequest";
    const TYPE_URL: &'static str = "type.googleapis.com/etcdserverpb.TxnRequest";
}
impl ::buffa::Message for TxnRequest {
    /// Returns the total encoded size in bytes.
    ///
    /// Accumulates in `u64` (which cannot overflow for in-memory
    /// data) and saturates to `u32` at return, so a message whose
    /// encoded size exceeds the 2 GiB protobuf limit yields a value
    /// above [`::buffa::MAX_MESSAGE_BYTES`] that the encode entry
    /// points reject, never a silently wrapped size.
    #[allow(clippy::let_and_return)]
    fn compute_size(&self, __cache: &mut ::buffa::SizeCache) -> u32 {
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        let mut size = 0u64;
        for v in &self.compare {
            let __slot = __cache.reserve();
            let inner_size = v.compute_size(__cache);
            __cache.set(__slot, inner_size);
            size
                += 1u64 + ::buffa::encoding::varint_len(inner_size as u64) as u64
                    + inner_size as u64;
        }
        for v in &self.success {
            let __slot = __cache.reserve();
            let inner_size = v.compute_size(__cache);
            __cache.set(__slot, inner_size);
            size
                += 1u64 + ::buffa::encoding::varint_len(inner_size as u64) as u64
                    + inner_size as u64;
        }
        ::buffa::saturate_size(size)
    }
    fn write_to(
        &self,
        __cache: &mut ::buffa::SizeCache,
        buf: &mut impl ::buffa::EncodeSink,
    ) {
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        for v in &self.compare {
            ::buffa::types::put_len_delimited_header(
                1u32,
                u64::from(__cache.consume_next()),
                buf,
            );
            v.write_to(__cache, buf);
        }
        for v in &self.success {
            ::buffa::types::put_len_delimited_header(
                2u32,
                u64::from(__cache.consume_next()),
                buf,
            );
            v.write_to(__cache, buf);
        }
    }
    fn merge_field(
        &mut self,
        tag: ::buffa::encoding::Tag,
        buf: &mut impl ::buffa::bytes::Buf,
        ctx: ::buffa::DecodeContext<'_>,
    ) -> ::core::result::Result<(), ::buffa::DecodeError> {
        #[allow(unused_imports)]
        use ::buffa::bytes::Buf as _;
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        match tag.field_number() {
            1u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::LengthDelimited,
                )?;
                let mut elem = ::core::default::Default::default();
                ctx.register_element_memory(
                    ::buffa::__private::element_footprint(&elem),
                )?;
                ::buffa::Message::merge_length_delimited(&mut elem, buf, ctx)?;
                self.compare.push(elem);
            }
            2u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::LengthDelimited,
                )?;
                let mut elem = ::core::default::Default::default();
                ctx.register_element_memory(
                    ::buffa::__private::element_footprint(&elem),
                )?;
                ::buffa::Message::merge_length_delimited(&mut elem, buf, ctx)?;
                self.success.push(elem);
            }
            _ => {
                ::buffa::encoding::skip_field_depth(tag, buf, ctx.depth())?;
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {
        self.compare.clear();
        self.success.clear();
    }
}
#[derive(Clone, PartialEq, Default)]
pub struct TxnResponse {
    /// Field 2: `succeeded`
    pub succeeded: bool,
}
impl ::core::fmt::Debug for TxnResponse {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("TxnResponse").field("succeeded", &self.succeeded).finish()
    }
}
impl TxnResponse {
    /// Protobuf type URL for this message, for use with `Any::pack` and
    /// `Any::unpack_if`.
    ///
    /// Format: `type.googleapis.com/<fully.qualified.TypeName>`
    pub const TYPE_URL: &'static str = "type.googleapis.com/etcdserverpb.TxnResponse";
}
::buffa::impl_default_instance!(TxnResponse);
impl ::buffa::MessageName for TxnResponse {
    const PACKAGE: &'static str = "etcdserverpb";
    const NAME: &'static str = "TxnResponse";
    const FULL_NAME: &'static str = "etcdserverpb.TxnResponse";
    const TYPE_URL: &'static str = "type.googleapis.com/etcdserverpb.TxnResponse";
}
impl ::buffa::Message for TxnResponse {
    /// Returns the total encoded size in bytes.
    ///
    /// Accumulates in `u64` (which cannot overflow for in-memory
    /// data) and saturates to `u32` at return, so a message whose
    /// encoded size exceeds the 2 GiB protobuf limit yields a value
    /// above [`::buffa::MAX_MESSAGE_BYTES`] that the encode entry
    /// points reject, never a silently wrapped size.
    #[allow(clippy::let_and_return)]
    fn compute_size(&self, _cache: &mut ::buffa::SizeCache) -> u32 {
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        let mut size = 0u64;
        if self.succeeded {
            size += 1u64 + ::buffa::types::BOOL_ENCODED_LEN as u64;
        }
        ::buffa::saturate_size(size)
    }
    fn write_to(
        &self,
        _cache: &mut ::buffa::SizeCache,
        buf: &mut impl ::buffa::EncodeSink,
    ) {
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        if self.succeeded {
            ::buffa::types::put_bool_field(2u32, self.succeeded, buf);
        }
    }
    fn merge_field(
        &mut self,
        tag: ::buffa::encoding::Tag,
        buf: &mut impl ::buffa::bytes::Buf,
        ctx: ::buffa::DecodeContext<'_>,
    ) -> ::core::result::Result<(), ::buffa::DecodeError> {
        #[allow(unused_imports)]
        use ::buffa::bytes::Buf as _;
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        match tag.field_number() {
            2u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::Varint,
                )?;
                self.succeeded = ::buffa::types::decode_bool(buf)?;
            }
            _ => {
                ::buffa::encoding::skip_field_depth(tag, buf, ctx.depth())?;
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {
        self.succeeded = false;
    }
}
#[derive(Clone, PartialEq, Default)]
pub struct Event {
    /// Field 1: `type`
    pub r#type: ::buffa::EnumValue<event::EventType>,
    /// Field 2: `kv`
    pub kv: ::buffa::MessageField<KeyValue, ::buffa::Inline<KeyValue>>,
}
impl ::core::fmt::Debug for Event {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("Event")
            .field("type", &self.r#type)
            .field("kv", &self.kv)
            .finish()
    }
}
impl Event {
    /// Protobuf type URL for this message, for use with `Any::pack` and
    /// `Any::unpack_if`.
    ///
    /// Format: `type.googleapis.com/<fully.qualified.TypeName>`
    pub const TYPE_URL: &'static str = "type.googleapis.com/etcdserverpb.Event";
}
::buffa::impl_default_instance!(Event);
impl ::buffa::MessageName for Event {
    const PACKAGE: &'static str = "etcdserverpb";
    const NAME: &'static str = "Event";
    const FULL_NAME: &'static str = "etcdserverpb.Event";
    const TYPE_URL: &'static str = "type.googleapis.com/etcdserverpb.Event";
}
impl ::buffa::Message for Event {
    /// Returns the total encoded size in bytes.
    ///
    /// Accumulates in `u64` (which cannot overflow for in-memory
    /// data) and saturates to `u32` at return, so a message whose
    /// encoded size exceeds the 2 GiB protobuf limit yields a value
    /// above [`::buffa::MAX_MESSAGE_BYTES`] that the encode entry
    /// points reject, never a silently wrapped size.
    #[allow(clippy::let_and_return)]
    fn compute_size(&self, __cache: &mut ::buffa::SizeCache) -> u32 {
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        let mut size = 0u64;
        {
            let val = self.r#type.to_i32();
            if val != 0 {
                size += 1u64 + ::buffa::types::int32_encoded_len(val) as u64;
            }
        }
        if self.kv.is_set() {
            let __slot = __cache.reserve();
            let inner_size = self.kv.compute_size(__cache);
            __cache.set(__slot, inner_size);
            size
                += 1u64 + ::buffa::encoding::varint_len(inner_size as u64) as u64
                    + inner_size as u64;
        }
        ::buffa::saturate_size(size)
    }
    fn write_to(
        &self,
        __cache: &mut ::buffa::SizeCache,
        buf: &mut impl ::buffa::EncodeSink,
    ) {
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        {
            let val = self.r#type.to_i32();
            if val != 0 {
                ::buffa::types::put_int32_field(1u32, val, buf);
            }
        }
        if self.kv.is_set() {
            ::buffa::types::put_len_delimited_header(
                2u32,
                u64::from(__cache.consume_next()),
                buf,
            );
            self.kv.write_to(__cache, buf);
        }
    }
    fn merge_field(
        &mut self,
        tag: ::buffa::encoding::Tag,
        buf: &mut impl ::buffa::bytes::Buf,
        ctx: ::buffa::DecodeContext<'_>,
    ) -> ::core::result::Result<(), ::buffa::DecodeError> {
        #[allow(unused_imports)]
        use ::buffa::bytes::Buf as _;
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        match tag.field_number() {
            1u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::Varint,
                )?;
                self.r#type = ::buffa::EnumValue::from(
                    ::buffa::types::decode_int32(buf)?,
                );
            }
            2u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::LengthDelimited,
                )?;
                ::buffa::Message::merge_length_delimited(
                    self.kv.get_or_insert_default(),
                    buf,
                    ctx,
                )?;
            }
            _ => {
                ::buffa::encoding::skip_field_depth(tag, buf, ctx.depth())?;
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {
        self.r#type = ::buffa::EnumValue::from(0);
        self.kv = ::buffa::MessageField::none();
    }
}
pub mod event {
    #[allow(unused_imports)]
    use super::*;
    #[allow(non_camel_case_types)]
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
    #[repr(i32)]
    pub enum EventType {
        PUT = 0i32,
        DELETE = 1i32,
    }
    impl EventType {
        ///Idiomatic alias for [`Self::PUT`]; `Debug` prints the variant name.
        #[allow(non_upper_case_globals)]
        pub const Put: Self = Self::PUT;
        ///Idiomatic alias for [`Self::DELETE`]; `Debug` prints the variant name.
        #[allow(non_upper_case_globals)]
        pub const Delete: Self = Self::DELETE;
    }
    impl ::core::default::Default for EventType {
        fn default() -> Self {
            Self::PUT
        }
    }
    impl ::buffa::Enumeration for EventType {
        fn from_i32(value: i32) -> ::core::option::Option<Self> {
            match value {
                0i32 => ::core::option::Option::Some(Self::PUT),
                1i32 => ::core::option::Option::Some(Self::DELETE),
                _ => ::core::option::Option::None,
            }
        }
        fn to_i32(&self) -> i32 {
            *self as i32
        }
        fn proto_name(&self) -> &'static str {
            match self {
                Self::PUT => "PUT",
                Self::DELETE => "DELETE",
            }
        }
        fn from_proto_name(name: &str) -> ::core::option::Option<Self> {
            match name {
                "PUT" => ::core::option::Option::Some(Self::PUT),
                "DELETE" => ::core::option::Option::Some(Self::DELETE),
                _ => ::core::option::Option::None,
            }
        }
        fn values() -> &'static [Self] {
            &[Self::PUT, Self::DELETE]
        }
    }
}
#[derive(Clone, PartialEq, Default)]
pub struct WatchRequest {
    /// A case of etcd's oneof request_union.
    ///
    /// Field 1: `create_request`
    pub create_request: ::buffa::MessageField<
        WatchCreateRequest,
        ::buffa::Inline<WatchCreateRequest>,
    >,
}
impl ::core::fmt::Debug for WatchRequest {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("WatchRequest")
            .field("create_request", &self.create_request)
            .finish()
    }
}
impl WatchRequest {
    /// Protobuf type URL for this message, for use with `Any::pack` and
    /// `Any::unpack_if`.
    ///
    /// Format: `type.googleapis.com/<fully.qualified.TypeName>`
    pub const TYPE_URL: &'static str = "type.googleapis.com/etcdserverpb.WatchRequest";
}
::buffa::impl_default_instance!(WatchRequest);
impl ::buffa::MessageName for WatchRequest {
    const PACKAGE: &'static str = "etcdserverpb";
    const NAME: &'static str = "WatchRequest";
    const FULL_NAME: &'static str = "etcdserverpb.WatchRequest";
    const TYPE_URL: &'static str = "type.googleapis.com/etcdserverpb.WatchRequest";
}
impl ::buffa::Message for WatchRequest {
    /// Returns the total encoded size in bytes.
    ///
    /// Accumulates in `u64` (which cannot overflow for in-memory
    /// data) and saturates to `u32` at return, so a message whose
    /// encoded size exceeds the 2 GiB protobuf limit yields a value
    /// above [`::buffa::MAX_MESSAGE_BYTES`] that the encode entry
    /// points reject, never a silently wrapped size.
    #[allow(clippy::let_and_return)]
    fn compute_size(&self, __cache: &mut ::buffa::SizeCache) -> u32 {
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        let mut size = 0u64;
        if self.create_request.is_set() {
            let __slot = __cache.reserve();
            let inner_size = self.create_request.compute_size(__cache);
            __cache.set(__slot, inner_size);
            size
                += 1u64 + ::buffa::encoding::varint_len(inner_size as u64) as u64
                    + inner_size as u64;
        }
        ::buffa::saturate_size(size)
    }
    fn write_to(
        &self,
        __cache: &mut ::buffa::SizeCache,
        buf: &mut impl ::buffa::EncodeSink,
    ) {
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        if self.create_request.is_set() {
            ::buffa::types::put_len_delimited_header(
                1u32,
                u64::from(__cache.consume_next()),
                buf,
            );
            self.create_request.write_to(__cache, buf);
        }
    }
    fn merge_field(
        &mut self,
        tag: ::buffa::encoding::Tag,
        buf: &mut impl ::buffa::bytes::Buf,
        ctx: ::buffa::DecodeContext<'_>,
    ) -> ::core::result::Result<(), ::buffa::DecodeError> {
        #[allow(unused_imports)]
        use ::buffa::bytes::Buf as _;
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        match tag.field_number() {
            1u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::LengthDelimited,
                )?;
                ::buffa::Message::merge_length_delimited(
                    self.create_request.get_or_insert_default(),
                    buf,
                    ctx,
                )?;
            }
            _ => {
                ::buffa::encoding::skip_field_depth(tag, buf, ctx.depth())?;
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {
        self.create_request = ::buffa::MessageField::none();
    }
}
#[derive(Clone, PartialEq, Default)]
pub struct WatchCreateRequest {
    /// Field 1: `key`
    pub key: ::buffa::alloc::vec::Vec<u8>,
    /// Field 2: `range_end`
    pub range_end: ::buffa::alloc::vec::Vec<u8>,
    /// Field 3: `start_revision`
    pub start_revision: i64,
}
impl ::core::fmt::Debug for WatchCreateRequest {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("WatchCreateRequest")
            .field("key", &self.key)
            .field("range_end", &self.range_end)
            .field("start_revision", &self.start_revision)
            .finish()
    }
}
impl WatchCreateRequest {
    /// Protobuf type URL for this message, for use with `Any::pack` and
    /// `Any::unpack_if`.
    ///
    /// Format: `type.googleapis.com/<fully.qualified.TypeName>`
    pub const TYPE_URL: &'static str = "type.googleapis.com/etcdserverpb.WatchCreateRequest";
}
::buffa::impl_default_instance!(WatchCreateRequest);
impl ::buffa::MessageName for WatchCreateRequest {
    const PACKAGE: &'static str = "etcdserverpb";
    const NAME: &'static str = "WatchCreateRequest";
    const FULL_NAME: &'static str = "etcdserverpb.WatchCreateRequest";
    const TYPE_URL: &'static str = "type.googleapis.com/etcdserverpb.WatchCreateRequest";
}
impl ::buffa::Message for WatchCreateRequest {
    /// Returns the total encoded size in bytes.
    ///
    /// Accumulates in `u64` (which cannot overflow for in-memory
    /// data) and saturates to `u32` at return, so a message whose
    /// encoded size exceeds the 2 GiB protobuf limit yields a value
    /// above [`::buffa::MAX_MESSAGE_BYTES`] that the encode entry
    /// points reject, never a silently wrapped size.
    #[allow(clippy::let_and_return)]
    fn compute_size(&self, _cache: &mut ::buffa::SizeCache) -> u32 {
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        let mut size = 0u64;
        if !self.key.is_empty() {
            size += 1u64 + ::buffa::types::bytes_encoded_len(&self.key) as u64;
        }
        if !self.range_end.is_empty() {
            size += 1u64 + ::buffa::types::bytes_encoded_len(&self.range_end) as u64;
        }
        if self.start_revision != 0i64 {
            size += 1u64 + ::buffa::types::int64_encoded_len(self.start_revision) as u64;
        }
        ::buffa::saturate_size(size)
    }
    fn write_to(
        &self,
        _cache: &mut ::buffa::SizeCache,
        buf: &mut impl ::buffa::EncodeSink,
    ) {
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        if !self.key.is_empty() {
            ::buffa::types::put_shared_bytes_field(1u32, &self.key, buf);
        }
        if !self.range_end.is_empty() {
            ::buffa::types::put_shared_bytes_field(2u32, &self.range_end, buf);
        }
        if self.start_revision != 0i64 {
            ::buffa::types::put_int64_field(3u32, self.start_revision, buf);
        }
    }
    fn merge_field(
        &mut self,
        tag: ::buffa::encoding::Tag,
        buf: &mut impl ::buffa::bytes::Buf,
        ctx: ::buffa::DecodeContext<'_>,
    ) -> ::core::result::Result<(), ::buffa::DecodeError> {
        #[allow(unused_imports)]
        use ::buffa::bytes::Buf as _;
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        match tag.field_number() {
            1u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::LengthDelimited,
                )?;
                ::buffa::types::merge_bytes(&mut self.key, buf)?;
            }
            2u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::LengthDelimited,
                )?;
                ::buffa::types::merge_bytes(&mut self.range_end, buf)?;
            }
            3u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::Varint,
                )?;
                self.start_revision = ::buffa::types::decode_int64(buf)?;
            }
            _ => {
                ::buffa::encoding::skip_field_depth(tag, buf, ctx.depth())?;
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {
        self.key.clear();
        self.range_end.clear();
        self.start_revision = 0i64;
    }
}
#[derive(Clone, PartialEq, Default)]
pub struct WatchResponse {
    /// Field 4: `canceled`
    pub canceled: bool,
    /// Field 5: `compact_revision`
    pub compact_revision: i64,
    /// Field 6: `cancel_reason`
    pub cancel_reason: ::buffa::alloc::string::String,
    /// Field 11: `events`
    pub events: ::buffa::alloc::vec::Vec<Event>,
}
impl ::core::fmt::Debug for WatchResponse {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("WatchResponse")
            .field("canceled", &self.canceled)
            .field("compact_revision", &self.compact_revision)
            .field("cancel_reason", &self.cancel_reason)
            .field("events", &self.events)
            .finish()
    }
}
impl WatchResponse {
    /// Protobuf type URL for this message, for use with `Any::pack` and
    /// `Any::unpack_if`.
    ///
    /// Format: `type.googleapis.com/<fully.qualified.TypeName>`
    pub const TYPE_URL: &'static str = "type.googleapis.com/etcdserverpb.WatchResponse";
}
::buffa::impl_default_instance!(WatchResponse);
impl ::buffa::MessageName for WatchResponse {
    const PACKAGE: &'static str = "etcdserverpb";
    const NAME: &'static str = "WatchResponse";
    const FULL_NAME: &'static str = "etcdserverpb.WatchResponse";
    const TYPE_URL: &'static str = "type.googleapis.com/etcdserverpb.WatchResponse";
}
impl ::buffa::Message for WatchResponse {
    /// Returns the total encoded size in bytes.
    ///
    /// Accumulates in `u64` (which cannot overflow for in-memory
    /// data) and saturates to `u32` at return, so a message whose
    /// encoded size exceeds the 2 GiB protobuf limit yields a value
    /// above [`::buffa::MAX_MESSAGE_BYTES`] that the encode entry
    /// points reject, never a silently wrapped size.
    #[allow(clippy::let_and_return)]
    fn compute_size(&self, __cache: &mut ::buffa::SizeCache) -> u32 {
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        let mut size = 0u64;
        if self.canceled {
            size += 1u64 + ::buffa::types::BOOL_ENCODED_LEN as u64;
        }
        if self.compact_revision != 0i64 {
            size
                += 1u64
                    + ::buffa::types::int64_encoded_len(self.compact_revision) as u64;
        }
        if !self.cancel_reason.is_empty() {
            size
                += 1u64 + ::buffa::types::string_encoded_len(&self.cancel_reason) as u64;
        }
        for v in &self.events {
            let __slot = __cache.reserve();
            let inner_size = v.compute_size(__cache);
            __cache.set(__slot, inner_size);
            size
                += 1u64 + ::buffa::encoding::varint_len(inner_size as u64) as u64
                    + inner_size as u64;
        }
        ::buffa::saturate_size(size)
    }
    fn write_to(
        &self,
        __cache: &mut ::buffa::SizeCache,
        buf: &mut impl ::buffa::EncodeSink,
    ) {
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        if self.canceled {
            ::buffa::types::put_bool_field(4u32, self.canceled, buf);
        }
        if self.compact_revision != 0i64 {
            ::buffa::types::put_int64_field(5u32, self.compact_revision, buf);
        }
        if !self.cancel_reason.is_empty() {
            ::buffa::types::put_string_field(6u32, &self.cancel_reason, buf);
        }
        for v in &self.events {
            ::buffa::types::put_len_delimited_header(
                11u32,
                u64::from(__cache.consume_next()),
                buf,
            );
            v.write_to(__cache, buf);
        }
    }
    fn merge_field(
        &mut self,
        tag: ::buffa::encoding::Tag,
        buf: &mut impl ::buffa::bytes::Buf,
        ctx: ::buffa::DecodeContext<'_>,
    ) -> ::core::result::Result<(), ::buffa::DecodeError> {
        #[allow(unused_imports)]
        use ::buffa::bytes::Buf as _;
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        match tag.field_number() {
            4u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::Varint,
                )?;
                self.canceled = ::buffa::types::decode_bool(buf)?;
            }
            5u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::Varint,
                )?;
                self.compact_revision = ::buffa::types::decode_int64(buf)?;
            }
            6u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::LengthDelimited,
                )?;
                ::buffa::types::merge_string(&mut self.cancel_reason, buf)?;
            }
            11u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::LengthDelimited,
                )?;
                let mut elem = ::core::default::Default::default();
                ctx.register_element_memory(
                    ::buffa::__private::element_footprint(&elem),
                )?;
                ::buffa::Message::merge_length_delimited(&mut elem, buf, ctx)?;
                self.events.push(elem);
            }
            _ => {
                ::buffa::encoding::skip_field_depth(tag, buf, ctx.depth())?;
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {
        self.canceled = false;
        self.compact_revision = 0i64;
        self.cancel_reason.clear();
        self.events.clear();
    }
}
#[derive(Clone, PartialEq, Default)]
#[allow(non_snake_case)]
pub struct LeaseGrantRequest {
    /// Seconds.
    ///
    /// Field 1: `TTL`
    pub TTL: i64,
}
impl ::core::fmt::Debug for LeaseGrantRequest {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("LeaseGrantRequest").field("TTL", &self.TTL).finish()
    }
}
impl LeaseGrantRequest {
    /// Protobuf type URL for this message, for use with `Any::pack` and
    /// `Any::unpack_if`.
    ///
    /// Format: `type.googleapis.com/<fully.qualified.TypeName>`
    pub const TYPE_URL: &'static str = "type.googleapis.com/etcdserverpb.LeaseGrantRequest";
}
::buffa::impl_default_instance!(LeaseGrantRequest);
impl ::buffa::MessageName for LeaseGrantRequest {
    const PACKAGE: &'static str = "etcdserverpb";
    const NAME: &'static str = "LeaseGrantRequest";
    const FULL_NAME: &'static str = "etcdserverpb.LeaseGrantRequest";
    const TYPE_URL: &'static str = "type.googleapis.com/etcdserverpb.LeaseGrantRequest";
}
impl ::buffa::Message for LeaseGrantRequest {
    /// Returns the total encoded size in bytes.
    ///
    /// Accumulates in `u64` (which cannot overflow for in-memory
    /// data) and saturates to `u32` at return, so a message whose
    /// encoded size exceeds the 2 GiB protobuf limit yields a value
    /// above [`::buffa::MAX_MESSAGE_BYTES`] that the encode entry
    /// points reject, never a silently wrapped size.
    #[allow(clippy::let_and_return)]
    fn compute_size(&self, _cache: &mut ::buffa::SizeCache) -> u32 {
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        let mut size = 0u64;
        if self.TTL != 0i64 {
            size += 1u64 + ::buffa::types::int64_encoded_len(self.TTL) as u64;
        }
        ::buffa::saturate_size(size)
    }
    fn write_to(
        &self,
        _cache: &mut ::buffa::SizeCache,
        buf: &mut impl ::buffa::EncodeSink,
    ) {
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        if self.TTL != 0i64 {
            ::buffa::types::put_int64_field(1u32, self.TTL, buf);
        }
    }
    fn merge_field(
        &mut self,
        tag: ::buffa::encoding::Tag,
        buf: &mut impl ::buffa::bytes::Buf,
        ctx: ::buffa::DecodeContext<'_>,
    ) -> ::core::result::Result<(), ::buffa::DecodeError> {
        #[allow(unused_imports)]
        use ::buffa::bytes::Buf as _;
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        match tag.field_number() {
            1u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::Varint,
                )?;
                self.TTL = ::buffa::types::decode_int64(buf)?;
            }
            _ => {
                ::buffa::encoding::skip_field_depth(tag, buf, ctx.depth())?;
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {
        self.TTL = 0i64;
    }
}
#[derive(Clone, PartialEq, Default)]
#[allow(non_snake_case)]
pub struct LeaseGrantResponse {
    /// Field 2: `ID`
    pub ID: i64,
    /// Field 3: `TTL`
    pub TTL: i64,
    /// Field 4: `error`
    pub error: ::buffa::alloc::string::String,
}
impl ::core::fmt::Debug for LeaseGrantResponse {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("LeaseGrantResponse")
            .field("ID", &self.ID)
            .field("TTL", &self.TTL)
            .field("error", &self.error)
            .finish()
    }
}
impl LeaseGrantResponse {
    /// Protobuf type URL for this message, for use with `Any::pack` and
    /// `Any::unpack_if`.
    ///
    /// Format: `type.googleapis.com/<fully.qualified.TypeName>`
    pub const TYPE_URL: &'static str = "type.googleapis.com/etcdserverpb.LeaseGrantResponse";
}
::buffa::impl_default_instance!(LeaseGrantResponse);
impl ::buffa::MessageName for LeaseGrantResponse {
    const PACKAGE: &'static str = "etcdserverpb";
    const NAME: &'static str = "LeaseGrantResponse";
    const FULL_NAME: &'static str = "etcdserverpb.LeaseGrantResponse";
    const TYPE_URL: &'static str = "type.googleapis.com/etcdserverpb.LeaseGrantResponse";
}
impl ::buffa::Message for LeaseGrantResponse {
    /// Returns the total encoded size in bytes.
    ///
    /// Accumulates in `u64` (which cannot overflow for in-memory
    /// data) and saturates to `u32` at return, so a message whose
    /// encoded size exceeds the 2 GiB protobuf limit yields a value
    /// above [`::buffa::MAX_MESSAGE_BYTES`] that the encode entry
    /// points reject, never a silently wrapped size.
    #[allow(clippy::let_and_return)]
    fn compute_size(&self, _cache: &mut ::buffa::SizeCache) -> u32 {
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        let mut size = 0u64;
        if self.ID != 0i64 {
            size += 1u64 + ::buffa::types::int64_encoded_len(self.ID) as u64;
        }
        if self.TTL != 0i64 {
            size += 1u64 + ::buffa::types::int64_encoded_len(self.TTL) as u64;
        }
        if !self.error.is_empty() {
            size += 1u64 + ::buffa::types::string_encoded_len(&self.error) as u64;
        }
        ::buffa::saturate_size(size)
    }
    fn write_to(
        &self,
        _cache: &mut ::buffa::SizeCache,
        buf: &mut impl ::buffa::EncodeSink,
    ) {
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        if self.ID != 0i64 {
            ::buffa::types::put_int64_field(2u32, self.ID, buf);
        }
        if self.TTL != 0i64 {
            ::buffa::types::put_int64_field(3u32, self.TTL, buf);
        }
        if !self.error.is_empty() {
            ::buffa::types::put_string_field(4u32, &self.error, buf);
        }
    }
    fn merge_field(
        &mut self,
        tag: ::buffa::encoding::Tag,
        buf: &mut impl ::buffa::bytes::Buf,
        ctx: ::buffa::DecodeContext<'_>,
    ) -> ::core::result::Result<(), ::buffa::DecodeError> {
        #[allow(unused_imports)]
        use ::buffa::bytes::Buf as _;
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        match tag.field_number() {
            2u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::Varint,
                )?;
                self.ID = ::buffa::types::decode_int64(buf)?;
            }
            3u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::Varint,
                )?;
                self.TTL = ::buffa::types::decode_int64(buf)?;
            }
            4u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::LengthDelimited,
                )?;
                ::buffa::types::merge_string(&mut self.error, buf)?;
            }
            _ => {
                ::buffa::encoding::skip_field_depth(tag, buf, ctx.depth())?;
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {
        self.ID = 0i64;
        self.TTL = 0i64;
        self.error.clear();
    }
}
#[derive(Clone, PartialEq, Default)]
#[allow(non_snake_case)]
pub struct LeaseRevokeRequest {
    /// Field 1: `ID`
    pub ID: i64,
}
impl ::core::fmt::Debug for LeaseRevokeRequest {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("LeaseRevokeRequest").field("ID", &self.ID).finish()
    }
}
impl LeaseRevokeRequest {
    /// Protobuf type URL for this message, for use with `Any::pack` and
    /// `Any::unpack_if`.
    ///
    /// Format: `type.googleapis.com/<fully.qualified.TypeName>`
    pub const TYPE_URL: &'static str = "type.googleapis.com/etcdserverpb.LeaseRevokeRequest";
}
::buffa::impl_default_instance!(LeaseRevokeRequest);
impl ::buffa::MessageName for LeaseRevokeRequest {
    const PACKAGE: &'static str = "etcdserverpb";
    const NAME: &'static str = "LeaseRevokeRequest";
    const FULL_NAME: &'static str = "etcdserverpb.LeaseRevokeRequest";
    const TYPE_URL: &'static str = "type.googleapis.com/etcdserverpb.LeaseRevokeRequest";
}
impl ::buffa::Message for LeaseRevokeRequest {
    /// Returns the total encoded size in bytes.
    ///
    /// Accumulates in `u64` (which cannot overflow for in-memory
    /// data) and saturates to `u32` at return, so a message whose
    /// encoded size exceeds the 2 GiB protobuf limit yields a value
    /// above [`::buffa::MAX_MESSAGE_BYTES`] that the encode entry
    /// points reject, never a silently wrapped size.
    #[allow(clippy::let_and_return)]
    fn compute_size(&self, _cache: &mut ::buffa::SizeCache) -> u32 {
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        let mut size = 0u64;
        if self.ID != 0i64 {
            size += 1u64 + ::buffa::types::int64_encoded_len(self.ID) as u64;
        }
        ::buffa::saturate_size(size)
    }
    fn write_to(
        &self,
        _cache: &mut ::buffa::SizeCache,
        buf: &mut impl ::buffa::EncodeSink,
    ) {
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        if self.ID != 0i64 {
            ::buffa::types::put_int64_field(1u32, self.ID, buf);
        }
    }
    fn merge_field(
        &mut self,
        tag: ::buffa::encoding::Tag,
        buf: &mut impl ::buffa::bytes::Buf,
        ctx: ::buffa::DecodeContext<'_>,
    ) -> ::core::result::Result<(), ::buffa::DecodeError> {
        #[allow(unused_imports)]
        use ::buffa::bytes::Buf as _;
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        match tag.field_number() {
            1u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::Varint,
                )?;
                self.ID = ::buffa::types::decode_int64(buf)?;
            }
            _ => {
                ::buffa::encoding::skip_field_depth(tag, buf, ctx.depth())?;
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {
        self.ID = 0i64;
    }
}
#[derive(Clone, PartialEq, Default)]
pub struct LeaseRevokeResponse {}
impl ::core::fmt::Debug for LeaseRevokeResponse {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("LeaseRevokeResponse").finish()
    }
}
impl LeaseRevokeResponse {
    /// Protobuf type URL for this message, for use with `Any::pack` and
    /// `Any::unpack_if`.
    ///
    /// Format: `type.googleapis.com/<fully.qualified.TypeName>`
    pub const TYPE_URL: &'static str = "type.googleapis.com/etcdserverpb.LeaseRevokeResponse";
}
::buffa::impl_default_instance!(LeaseRevokeResponse);
impl ::buffa::MessageName for LeaseRevokeResponse {
    const PACKAGE: &'static str = "etcdserverpb";
    const NAME: &'static str = "LeaseRevokeResponse";
    const FULL_NAME: &'static str = "etcdserverpb.LeaseRevokeResponse";
    const TYPE_URL: &'static str = "type.googleapis.com/etcdserverpb.LeaseRevokeResponse";
}
impl ::buffa::Message for LeaseRevokeResponse {
    /// Returns the total encoded size in bytes.
    ///
    /// Accumulates in `u64` (which cannot overflow for in-memory
    /// data) and saturates to `u32` at return, so a message whose
    /// encoded size exceeds the 2 GiB protobuf limit yields a value
    /// above [`::buffa::MAX_MESSAGE_BYTES`] that the encode entry
    /// points reject, never a silently wrapped size.
    #[allow(clippy::let_and_return)]
    fn compute_size(&self, _cache: &mut ::buffa::SizeCache) -> u32 {
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        let size = 0u64;
        ::buffa::saturate_size(size)
    }
    fn write_to(
        &self,
        _cache: &mut ::buffa::SizeCache,
        _buf: &mut impl ::buffa::EncodeSink,
    ) {
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
    }
    fn merge_field(
        &mut self,
        tag: ::buffa::encoding::Tag,
        buf: &mut impl ::buffa::bytes::Buf,
        ctx: ::buffa::DecodeContext<'_>,
    ) -> ::core::result::Result<(), ::buffa::DecodeError> {
        #[allow(unused_imports)]
        use ::buffa::bytes::Buf as _;
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        match tag.field_number() {
            _ => {
                ::buffa::encoding::skip_field_depth(tag, buf, ctx.depth())?;
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {}
}
#[derive(Clone, PartialEq, Default)]
#[allow(non_snake_case)]
pub struct LeaseKeepAliveRequest {
    /// Field 1: `ID`
    pub ID: i64,
}
impl ::core::fmt::Debug for LeaseKeepAliveRequest {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("LeaseKeepAliveRequest").field("ID", &self.ID).finish()
    }
}
impl LeaseKeepAliveRequest {
    /// Protobuf type URL for this message, for use with `Any::pack` and
    /// `Any::unpack_if`.
    ///
    /// Format: `type.googleapis.com/<fully.qualified.TypeName>`
    pub const TYPE_URL: &'static str = "type.googleapis.com/etcdserverpb.LeaseKeepAliveRequest";
}
::buffa::impl_default_instance!(LeaseKeepAliveRequest);
impl ::buffa::MessageName for LeaseKeepAliveRequest {
    const PACKAGE: &'static str = "etcdserverpb";
    const NAME: &'static str = "LeaseKeepAliveRequest";
    const FULL_NAME: &'static str = "etcdserverpb.LeaseKeepAliveRequest";
    const TYPE_URL: &'static str = "type.googleapis.com/etcdserverpb.LeaseKeepAliveRequest";
}
impl ::buffa::Message for LeaseKeepAliveRequest {
    /// Returns the total encoded size in bytes.
    ///
    /// Accumulates in `u64` (which cannot overflow for in-memory
    /// data) and saturates to `u32` at return, so a message whose
    /// encoded size exceeds the 2 GiB protobuf limit yields a value
    /// above [`::buffa::MAX_MESSAGE_BYTES`] that the encode entry
    /// points reject, never a silently wrapped size.
    #[allow(clippy::let_and_return)]
    fn compute_size(&self, _cache: &mut ::buffa::SizeCache) -> u32 {
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        let mut size = 0u64;
        if self.ID != 0i64 {
            size += 1u64 + ::buffa::types::int64_encoded_len(self.ID) as u64;
        }
        ::buffa::saturate_size(size)
    }
    fn write_to(
        &self,
        _cache: &mut ::buffa::SizeCache,
        buf: &mut impl ::buffa::EncodeSink,
    ) {
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        if self.ID != 0i64 {
            ::buffa::types::put_int64_field(1u32, self.ID, buf);
        }
    }
    fn merge_field(
        &mut self,
        tag: ::buffa::encoding::Tag,
        buf: &mut impl ::buffa::bytes::Buf,
        ctx: ::buffa::DecodeContext<'_>,
    ) -> ::core::result::Result<(), ::buffa::DecodeError> {
        #[allow(unused_imports)]
        use ::buffa::bytes::Buf as _;
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        match tag.field_number() {
            1u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::Varint,
                )?;
                self.ID = ::buffa::types::decode_int64(buf)?;
            }
            _ => {
                ::buffa::encoding::skip_field_depth(tag, buf, ctx.depth())?;
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {
        self.ID = 0i64;
    }
}
#[derive(Clone, PartialEq, Default)]
#[allow(non_snake_case)]
pub struct LeaseKeepAliveResponse {
    /// Field 3: `TTL`
    pub TTL: i64,
}
impl ::core::fmt::Debug for LeaseKeepAliveResponse {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("LeaseKeepAliveResponse").field("TTL", &self.TTL).finish()
    }
}
impl LeaseKeepAliveResponse {
    /// Protobuf type URL for this message, for use with `Any::pack` and
    /// `Any::unpack_if`.
    ///
    /// Format: `type.googleapis.com/<fully.qualified.TypeName>`
    pub const TYPE_URL: &'static str = "type.googleapis.com/etcdserverpb.LeaseKeepAliveResponse";
}
::buffa::impl_default_instance!(LeaseKeepAliveResponse);
impl ::buffa::MessageName for LeaseKeepAliveResponse {
    const PACKAGE: &'static str = "etcdserverpb";
    const NAME: &'static str = "LeaseKeepAliveResponse";
    const FULL_NAME: &'static str = "etcdserverpb.LeaseKeepAliveResponse";
    const TYPE_URL: &'static str = "type.googleapis.com/etcdserverpb.LeaseKeepAliveResponse";
}
impl ::buffa::Message for LeaseKeepAliveResponse {
    /// Returns the total encoded size in bytes.
    ///
    /// Accumulates in `u64` (which cannot overflow for in-memory
    /// data) and saturates to `u32` at return, so a message whose
    /// encoded size exceeds the 2 GiB protobuf limit yields a value
    /// above [`::buffa::MAX_MESSAGE_BYTES`] that the encode entry
    /// points reject, never a silently wrapped size.
    #[allow(clippy::let_and_return)]
    fn compute_size(&self, _cache: &mut ::buffa::SizeCache) -> u32 {
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        let mut size = 0u64;
        if self.TTL != 0i64 {
            size += 1u64 + ::buffa::types::int64_encoded_len(self.TTL) as u64;
        }
        ::buffa::saturate_size(size)
    }
    fn write_to(
        &self,
        _cache: &mut ::buffa::SizeCache,
        buf: &mut impl ::buffa::EncodeSink,
    ) {
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        if self.TTL != 0i64 {
            ::buffa::types::put_int64_field(3u32, self.TTL, buf);
        }
    }
    fn merge_field(
        &mut self,
        tag: ::buffa::encoding::Tag,
        buf: &mut impl ::buffa::bytes::Buf,
        ctx: ::buffa::DecodeContext<'_>,
    ) -> ::core::result::Result<(), ::buffa::DecodeError> {
        #[allow(unused_imports)]
        use ::buffa::bytes::Buf as _;
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        match tag.field_number() {
            3u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::Varint,
                )?;
                self.TTL = ::buffa::types::decode_int64(buf)?;
            }
            _ => {
                ::buffa::encoding::skip_field_depth(tag, buf, ctx.depth())?;
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {
        self.TTL = 0i64;
    }
}
#[derive(Clone, PartialEq, Default)]
pub struct AuthenticateRequest {
    /// Field 1: `name`
    pub name: ::buffa::alloc::string::String,
    /// Field 2: `password`
    pub password: ::buffa::alloc::string::String,
}
impl ::core::fmt::Debug for AuthenticateRequest {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("AuthenticateRequest")
            .field("name", &self.name)
            .field("password", &self.password)
            .finish()
    }
}
impl AuthenticateRequest {
    /// Protobuf type URL for this message, for use with `Any::pack` and
    /// `Any::unpack_if`.
    ///
    /// Format: `type.googleapis.com/<fully.qualified.TypeName>`
    pub const TYPE_URL: &'static str = "type.googleapis.com/etcdserverpb.AuthenticateRequest";
}
::buffa::impl_default_instance!(AuthenticateRequest);
impl ::buffa::MessageName for AuthenticateRequest {
    const PACKAGE: &'static str = "etcdserverpb";
    const NAME: &'static str = "AuthenticateRequest";
    const FULL_NAME: &'static str = "etcdserverpb.AuthenticateRequest";
    const TYPE_URL: &'static str = "type.googleapis.com/etcdserverpb.AuthenticateRequest";
}
impl ::buffa::Message for AuthenticateRequest {
    /// Returns the total encoded size in bytes.
    ///
    /// Accumulates in `u64` (which cannot overflow for in-memory
    /// data) and saturates to `u32` at return, so a message whose
    /// encoded size exceeds the 2 GiB protobuf limit yields a value
    /// above [`::buffa::MAX_MESSAGE_BYTES`] that the encode entry
    /// points reject, never a silently wrapped size.
    #[allow(clippy::let_and_return)]
    fn compute_size(&self, _cache: &mut ::buffa::SizeCache) -> u32 {
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        let mut size = 0u64;
        if !self.name.is_empty() {
            size += 1u64 + ::buffa::types::string_encoded_len(&self.name) as u64;
        }
        if !self.password.is_empty() {
            size += 1u64 + ::buffa::types::string_encoded_len(&self.password) as u64;
        }
        ::buffa::saturate_size(size)
    }
    fn write_to(
        &self,
        _cache: &mut ::buffa::SizeCache,
        buf: &mut impl ::buffa::EncodeSink,
    ) {
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        if !self.name.is_empty() {
            ::buffa::types::put_string_field(1u32, &self.name, buf);
        }
        if !self.password.is_empty() {
            ::buffa::types::put_string_field(2u32, &self.password, buf);
        }
    }
    fn merge_field(
        &mut self,
        tag: ::buffa::encoding::Tag,
        buf: &mut impl ::buffa::bytes::Buf,
        ctx: ::buffa::DecodeContext<'_>,
    ) -> ::core::result::Result<(), ::buffa::DecodeError> {
        #[allow(unused_imports)]
        use ::buffa::bytes::Buf as _;
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        match tag.field_number() {
            1u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::LengthDelimited,
                )?;
                ::buffa::types::merge_string(&mut self.name, buf)?;
            }
            2u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::LengthDelimited,
                )?;
                ::buffa::types::merge_string(&mut self.password, buf)?;
            }
            _ => {
                ::buffa::encoding::skip_field_depth(tag, buf, ctx.depth())?;
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {
        self.name.clear();
        self.password.clear();
    }
}
#[derive(Clone, PartialEq, Default)]
pub struct AuthenticateResponse {
    /// Field 2: `token`
    pub token: ::buffa::alloc::string::String,
}
impl ::core::fmt::Debug for AuthenticateResponse {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("AuthenticateResponse").field("token", &self.token).finish()
    }
}
impl AuthenticateResponse {
    /// Protobuf type URL for this message, for use with `Any::pack` and
    /// `Any::unpack_if`.
    ///
    /// Format: `type.googleapis.com/<fully.qualified.TypeName>`
    pub const TYPE_URL: &'static str = "type.googleapis.com/etcdserverpb.AuthenticateResponse";
}
::buffa::impl_default_instance!(AuthenticateResponse);
impl ::buffa::MessageName for AuthenticateResponse {
    const PACKAGE: &'static str = "etcdserverpb";
    const NAME: &'static str = "AuthenticateResponse";
    const FULL_NAME: &'static str = "etcdserverpb.AuthenticateResponse";
    const TYPE_URL: &'static str = "type.googleapis.com/etcdserverpb.AuthenticateResponse";
}
impl ::buffa::Message for AuthenticateResponse {
    /// Returns the total encoded size in bytes.
    ///
    /// Accumulates in `u64` (which cannot overflow for in-memory
    /// data) and saturates to `u32` at return, so a message whose
    /// encoded size exceeds the 2 GiB protobuf limit yields a value
    /// above [`::buffa::MAX_MESSAGE_BYTES`] that the encode entry
    /// points reject, never a silently wrapped size.
    #[allow(clippy::let_and_return)]
    fn compute_size(&self, _cache: &mut ::buffa::SizeCache) -> u32 {
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        let mut size = 0u64;
        if !self.token.is_empty() {
            size += 1u64 + ::buffa::types::string_encoded_len(&self.token) as u64;
        }
        ::buffa::saturate_size(size)
    }
    fn write_to(
        &self,
        _cache: &mut ::buffa::SizeCache,
        buf: &mut impl ::buffa::EncodeSink,
    ) {
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        if !self.token.is_empty() {
            ::buffa::types::put_string_field(2u32, &self.token, buf);
        }
    }
    fn merge_field(
        &mut self,
        tag: ::buffa::encoding::Tag,
        buf: &mut impl ::buffa::bytes::Buf,
        ctx: ::buffa::DecodeContext<'_>,
    ) -> ::core::result::Result<(), ::buffa::DecodeError> {
        #[allow(unused_imports)]
        use ::buffa::bytes::Buf as _;
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        match tag.field_number() {
            2u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::LengthDelimited,
                )?;
                ::buffa::types::merge_string(&mut self.token, buf)?;
            }
            _ => {
                ::buffa::encoding::skip_field_depth(tag, buf, ctx.depth())?;
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {
        self.token.clear();
    }
}
