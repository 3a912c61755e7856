// Made from etcd/rpc.proto by a test of mprpc-build, which says when it is out of date.

#[derive(Clone, PartialEq, Default)]
#[cfg_attr(feature = "json", derive(::serde::Serialize, ::serde::Deserialize))]
#[cfg_attr(feature = "json", serde(default))]
pub struct ResponseHeader {
    /// Field 1: `cluster_id`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "clusterId",
            alias = "cluster_id",
            with = "::buffa::json_helpers::uint64",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_zero_u64"
        )
    )]
    pub cluster_id: u64,
    /// Field 2: `member_id`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "memberId",
            alias = "member_id",
            with = "::buffa::json_helpers::uint64",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_zero_u64"
        )
    )]
    pub member_id: u64,
    /// Field 3: `revision`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "revision",
            with = "::buffa::json_helpers::int64",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_zero_i64"
        )
    )]
    pub revision: i64,
    /// Field 4: `raft_term`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "raftTerm",
            alias = "raft_term",
            with = "::buffa::json_helpers::uint64",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_zero_u64"
        )
    )]
    pub raft_term: u64,
    #[cfg_attr(feature = "json", serde(skip))]
    #[doc(hidden)]
    pub __buffa_unknown_fields: ::buffa::UnknownFields,
}
impl ::core::fmt::Debug for ResponseHeader {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("ResponseHeader")
            .field("cluster_id", &self.cluster_id)
            .field("member_id", &self.member_id)
            .field("revision", &self.revision)
            .field("raft_term", &self.raft_term)
            .finish()
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
        if self.cluster_id != 0u64 {
            size += 1u64 + ::buffa::types::uint64_encoded_len(self.cluster_id) as u64;
        }
        if self.member_id != 0u64 {
            size += 1u64 + ::buffa::types::uint64_encoded_len(self.member_id) as u64;
        }
        if self.revision != 0i64 {
            size += 1u64 + ::buffa::types::int64_encoded_len(self.revision) as u64;
        }
        if self.raft_term != 0u64 {
            size += 1u64 + ::buffa::types::uint64_encoded_len(self.raft_term) as u64;
        }
        size += self.__buffa_unknown_fields.encoded_len() as u64;
        ::buffa::saturate_size(size)
    }
    fn write_to(
        &self,
        _cache: &mut ::buffa::SizeCache,
        buf: &mut impl ::buffa::EncodeSink,
    ) {
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        if self.cluster_id != 0u64 {
            ::buffa::types::put_uint64_field(1u32, self.cluster_id, buf);
        }
        if self.member_id != 0u64 {
            ::buffa::types::put_uint64_field(2u32, self.member_id, buf);
        }
        if self.revision != 0i64 {
            ::buffa::types::put_int64_field(3u32, self.revision, buf);
        }
        if self.raft_term != 0u64 {
            ::buffa::types::put_uint64_field(4u32, self.raft_term, buf);
        }
        self.__buffa_unknown_fields.write_to(buf);
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
                self.cluster_id = ::buffa::types::decode_uint64(buf)?;
            }
            2u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::Varint,
                )?;
                self.member_id = ::buffa::types::decode_uint64(buf)?;
            }
            3u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::Varint,
                )?;
                self.revision = ::buffa::types::decode_int64(buf)?;
            }
            4u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::Varint,
                )?;
                self.raft_term = ::buffa::types::decode_uint64(buf)?;
            }
            _ => {
                self.__buffa_unknown_fields
                    .push(::buffa::encoding::decode_unknown_field(tag, buf, ctx)?);
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {
        self.cluster_id = 0u64;
        self.member_id = 0u64;
        self.revision = 0i64;
        self.raft_term = 0u64;
        self.__buffa_unknown_fields.clear();
    }
}
impl ::buffa::ExtensionSet for ResponseHeader {
    const PROTO_FQN: &'static str = "etcdserverpb.ResponseHeader";
    fn unknown_fields(&self) -> &::buffa::UnknownFields {
        &self.__buffa_unknown_fields
    }
    fn unknown_fields_mut(&mut self) -> &mut ::buffa::UnknownFields {
        &mut self.__buffa_unknown_fields
    }
}
#[cfg(feature = "json")]
impl ::buffa::json_helpers::ProtoElemJson for ResponseHeader {
    fn serialize_proto_json<S: ::serde::Serializer>(
        v: &Self,
        s: S,
    ) -> ::core::result::Result<S::Ok, S::Error> {
        ::serde::Serialize::serialize(v, s)
    }
    fn deserialize_proto_json<'de, D: ::serde::Deserializer<'de>>(
        d: D,
    ) -> ::core::result::Result<Self, D::Error> {
        <Self as ::serde::Deserialize>::deserialize(d)
    }
}
#[cfg(feature = "json")]
#[doc(hidden)]
pub const __RESPONSE_HEADER_JSON_ANY: ::buffa::type_registry::JsonAnyEntry = ::buffa::type_registry::JsonAnyEntry {
    type_url: "type.googleapis.com/etcdserverpb.ResponseHeader",
    to_json: ::buffa::type_registry::any_to_json::<ResponseHeader>,
    from_json: ::buffa::type_registry::any_from_json::<ResponseHeader>,
    is_wkt: false,
};
#[derive(Clone, PartialEq, Default)]
#[cfg_attr(feature = "json", derive(::serde::Serialize, ::serde::Deserialize))]
#[cfg_attr(feature = "json", serde(default))]
pub struct KeyValue {
    /// Field 1: `key`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "key",
            with = "::buffa::json_helpers::bytes",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_empty_bytes"
        )
    )]
    pub key: ::buffa::alloc::vec::Vec<u8>,
    /// Field 2: `create_revision`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "createRevision",
            alias = "create_revision",
            with = "::buffa::json_helpers::int64",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_zero_i64"
        )
    )]
    pub create_revision: i64,
    /// Field 3: `mod_revision`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "modRevision",
            alias = "mod_revision",
            with = "::buffa::json_helpers::int64",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_zero_i64"
        )
    )]
    pub mod_revision: i64,
    /// Field 4: `version`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "version",
            with = "::buffa::json_helpers::int64",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_zero_i64"
        )
    )]
    pub version: i64,
    /// Field 5: `value`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "value",
            with = "::buffa::json_helpers::bytes",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_empty_bytes"
        )
    )]
    pub value: ::buffa::alloc::vec::Vec<u8>,
    /// Field 6: `lease`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "lease",
            with = "::buffa::json_helpers::int64",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_zero_i64"
        )
    )]
    pub lease: i64,
    #[cfg_attr(feature = "json", serde(skip))]
    #[doc(hidden)]
    pub __buffa_unknown_fields: ::buffa::UnknownFields,
}
impl ::core::fmt::Debug for KeyValue {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("KeyValue")
            .field("key", &self.key)
            .field("create_revision", &self.create_revision)
            .field("mod_revision", &self.mod_revision)
            .field("version", &self.version)
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
        if self.create_revision != 0i64 {
            size
                += 1u64 + ::buffa::types::int64_encoded_len(self.create_revision) as u64;
        }
        if self.mod_revision != 0i64 {
            size += 1u64 + ::buffa::types::int64_encoded_len(self.mod_revision) as u64;
        }
        if self.version != 0i64 {
            size += 1u64 + ::buffa::types::int64_encoded_len(self.version) as u64;
        }
        if !self.value.is_empty() {
            size += 1u64 + ::buffa::types::bytes_encoded_len(&self.value) as u64;
        }
        if self.lease != 0i64 {
            size += 1u64 + ::buffa::types::int64_encoded_len(self.lease) as u64;
        }
        size += self.__buffa_unknown_fields.encoded_len() as u64;
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
        if self.create_revision != 0i64 {
            ::buffa::types::put_int64_field(2u32, self.create_revision, buf);
        }
        if self.mod_revision != 0i64 {
            ::buffa::types::put_int64_field(3u32, self.mod_revision, buf);
        }
        if self.version != 0i64 {
            ::buffa::types::put_int64_field(4u32, self.version, buf);
        }
        if !self.value.is_empty() {
            ::buffa::types::put_shared_bytes_field(5u32, &self.value, buf);
        }
        if self.lease != 0i64 {
            ::buffa::types::put_int64_field(6u32, self.lease, buf);
        }
        self.__buffa_unknown_fields.write_to(buf);
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
                    ::buffa::encoding::WireType::Varint,
                )?;
                self.create_revision = ::buffa::types::decode_int64(buf)?;
            }
            3u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::Varint,
                )?;
                self.mod_revision = ::buffa::types::decode_int64(buf)?;
            }
            4u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::Varint,
                )?;
                self.version = ::buffa::types::decode_int64(buf)?;
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
                self.__buffa_unknown_fields
                    .push(::buffa::encoding::decode_unknown_field(tag, buf, ctx)?);
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {
        self.key.clear();
        self.create_revision = 0i64;
        self.mod_revision = 0i64;
        self.version = 0i64;
        self.value.clear();
        self.lease = 0i64;
        self.__buffa_unknown_fields.clear();
    }
}
impl ::buffa::ExtensionSet for KeyValue {
    const PROTO_FQN: &'static str = "etcdserverpb.KeyValue";
    fn unknown_fields(&self) -> &::buffa::UnknownFields {
        &self.__buffa_unknown_fields
    }
    fn unknown_fields_mut(&mut self) -> &mut ::buffa::UnknownFields {
        &mut self.__buffa_unknown_fields
    }
}
#[cfg(feature = "json")]
impl ::buffa::json_helpers::ProtoElemJson for KeyValue {
    fn serialize_proto_json<S: ::serde::Serializer>(
        v: &Self,
        s: S,
    ) -> ::core::result::Result<S::Ok, S::Error> {
        ::serde::Serialize::serialize(v, s)
    }
    fn deserialize_proto_json<'de, D: ::serde::Deserializer<'de>>(
        d: D,
    ) -> ::core::result::Result<Self, D::Error> {
        <Self as ::serde::Deserialize>::deserialize(d)
    }
}
#[cfg(feature = "json")]
#[doc(hidden)]
pub const __KEY_VALUE_JSON_ANY: ::buffa::type_registry::JsonAnyEntry = ::buffa::type_registry::JsonAnyEntry {
    type_url: "type.googleapis.com/etcdserverpb.KeyValue",
    to_json: ::buffa::type_registry::any_to_json::<KeyValue>,
    from_json: ::buffa::type_registry::any_from_json::<KeyValue>,
    is_wkt: false,
};
#[derive(Clone, PartialEq, Default)]
#[cfg_attr(feature = "json", derive(::serde::Serialize, ::serde::Deserialize))]
#[cfg_attr(feature = "json", serde(default))]
pub struct RangeRequest {
    /// Field 1: `key`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "key",
            with = "::buffa::json_helpers::bytes",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_empty_bytes"
        )
    )]
    pub key: ::buffa::alloc::vec::Vec<u8>,
    /// Field 2: `range_end`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "rangeEnd",
            alias = "range_end",
            with = "::buffa::json_helpers::bytes",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_empty_bytes"
        )
    )]
    pub range_end: ::buffa::alloc::vec::Vec<u8>,
    /// Field 3: `limit`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "limit",
            with = "::buffa::json_helpers::int64",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_zero_i64"
        )
    )]
    pub limit: i64,
    /// Field 4: `revision`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "revision",
            with = "::buffa::json_helpers::int64",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_zero_i64"
        )
    )]
    pub revision: i64,
    #[cfg_attr(feature = "json", serde(skip))]
    #[doc(hidden)]
    pub __buffa_unknown_fields: ::buffa::UnknownFields,
}
impl ::core::fmt::Debug for RangeRequest {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("RangeRequest")
            .field("key", &self.key)
            .field("range_end", &self.range_end)
            .field("limit", &self.limit)
            .field("revision", &self.revision)
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
        if self.revision != 0i64 {
            size += 1u64 + ::buffa::types::int64_encoded_len(self.revision) as u64;
        }
        size += self.__buffa_unknown_fields.encoded_len() as u64;
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
        if self.revision != 0i64 {
            ::buffa::types::put_int64_field(4u32, self.revision, buf);
        }
        self.__buffa_unknown_fields.write_to(buf);
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
            4u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::Varint,
                )?;
                self.revision = ::buffa::types::decode_int64(buf)?;
            }
            _ => {
                self.__buffa_unknown_fields
                    .push(::buffa::encoding::decode_unknown_field(tag, buf, ctx)?);
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {
        self.key.clear();
        self.range_end.clear();
        self.limit = 0i64;
        self.revision = 0i64;
        self.__buffa_unknown_fields.clear();
    }
}
impl ::buffa::ExtensionSet for RangeRequest {
    const PROTO_FQN: &'static str = "etcdserverpb.RangeRequest";
    fn unknown_fields(&self) -> &::buffa::UnknownFields {
        &self.__buffa_unknown_fields
    }
    fn unknown_fields_mut(&mut self) -> &mut ::buffa::UnknownFields {
        &mut self.__buffa_unknown_fields
    }
}
#[cfg(feature = "json")]
impl ::buffa::json_helpers::ProtoElemJson for RangeRequest {
    fn serialize_proto_json<S: ::serde::Serializer>(
        v: &Self,
        s: S,
    ) -> ::core::result::Result<S::Ok, S::Error> {
        ::serde::Serialize::serialize(v, s)
    }
    fn deserialize_proto_json<'de, D: ::serde::Deserializer<'de>>(
        d: D,
    ) -> ::core::result::Result<Self, D::Error> {
        <Self as ::serde::Deserialize>::deserialize(d)
    }
}
#[cfg(feature = "json")]
#[doc(hidden)]
pub const __RANGE_REQUEST_JSON_ANY: ::buffa::type_registry::JsonAnyEntry = ::buffa::type_registry::JsonAnyEntry {
    type_url: "type.googleapis.com/etcdserverpb.RangeRequest",
    to_json: ::buffa::type_registry::any_to_json::<RangeRequest>,
    from_json: ::buffa::type_registry::any_from_json::<RangeRequest>,
    is_wkt: false,
};
#[derive(Clone, PartialEq, Default)]
#[cfg_attr(feature = "json", derive(::serde::Serialize, ::serde::Deserialize))]
#[cfg_attr(feature = "json", serde(default))]
pub struct RangeResponse {
    /// Field 1: `header`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "header",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_unset_message_field"
        )
    )]
    pub header: ::buffa::MessageField<ResponseHeader, ::buffa::Inline<ResponseHeader>>,
    /// Field 2: `kvs`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "kvs",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_empty_vec",
            deserialize_with = "::buffa::json_helpers::null_as_default"
        )
    )]
    pub kvs: ::buffa::alloc::vec::Vec<KeyValue>,
    /// Field 3: `more`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "more",
            with = "::buffa::json_helpers::proto_bool",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_false"
        )
    )]
    pub more: bool,
    /// Field 4: `count`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "count",
            with = "::buffa::json_helpers::int64",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_zero_i64"
        )
    )]
    pub count: i64,
    #[cfg_attr(feature = "json", serde(skip))]
    #[doc(hidden)]
    pub __buffa_unknown_fields: ::buffa::UnknownFields,
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
        size += self.__buffa_unknown_fields.encoded_len() as u64;
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
        self.__buffa_unknown_fields.write_to(buf);
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
                self.__buffa_unknown_fields
                    .push(::buffa::encoding::decode_unknown_field(tag, buf, ctx)?);
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {
        self.header = ::buffa::MessageField::none();
        self.kvs.clear();
        self.more = false;
        self.count = 0i64;
        self.__buffa_unknown_fields.clear();
    }
}
impl ::buffa::ExtensionSet for RangeResponse {
    const PROTO_FQN: &'static str = "etcdserverpb.RangeResponse";
    fn unknown_fields(&self) -> &::buffa::UnknownFields {
        &self.__buffa_unknown_fields
    }
    fn unknown_fields_mut(&mut self) -> &mut ::buffa::UnknownFields {
        &mut self.__buffa_unknown_fields
    }
}
#[cfg(feature = "json")]
impl ::buffa::json_helpers::ProtoElemJson for RangeResponse {
    fn serialize_proto_json<S: ::serde::Serializer>(
        v: &Self,
        s: S,
    ) -> ::core::result::Result<S::Ok, S::Error> {
        ::serde::Serialize::serialize(v, s)
    }
    fn deserialize_proto_json<'de, D: ::serde::Deserializer<'de>>(
        d: D,
    ) -> ::core::result::Result<Self, D::Error> {
        <Self as ::serde::Deserialize>::deserialize(d)
    }
}
#[cfg(feature = "json")]
#[doc(hidden)]
pub const __RANGE_RESPONSE_JSON_ANY: ::buffa::type_registry::JsonAnyEntry = ::buffa::type_registry::JsonAnyEntry {
    type_url: "type.googleapis.com/etcdserverpb.RangeResponse",
    to_json: ::buffa::type_registry::any_to_json::<RangeResponse>,
    from_json: ::buffa::type_registry::any_from_json::<RangeResponse>,
    is_wkt: false,
};
#[derive(Clone, PartialEq, Default)]
#[cfg_attr(feature = "json", derive(::serde::Serialize, ::serde::Deserialize))]
#[cfg_attr(feature = "json", serde(default))]
pub struct PutRequest {
    /// Field 1: `key`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "key",
            with = "::buffa::json_helpers::bytes",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_empty_bytes"
        )
    )]
    pub key: ::buffa::alloc::vec::Vec<u8>,
    /// Field 2: `value`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "value",
            with = "::buffa::json_helpers::bytes",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_empty_bytes"
        )
    )]
    pub value: ::buffa::alloc::vec::Vec<u8>,
    /// Field 3: `lease`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "lease",
            with = "::buffa::json_helpers::int64",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_zero_i64"
        )
    )]
    pub lease: i64,
    #[cfg_attr(feature = "json", serde(skip))]
    #[doc(hidden)]
    pub __buffa_unknown_fields: ::buffa::UnknownFields,
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
        size += self.__buffa_unknown_fields.encoded_len() as u64;
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
        self.__buffa_unknown_fields.write_to(buf);
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
                self.__buffa_unknown_fields
                    .push(::buffa::encoding::decode_unknown_field(tag, buf, ctx)?);
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {
        self.key.clear();
        self.value.clear();
        self.lease = 0i64;
        self.__buffa_unknown_fields.clear();
    }
}
impl ::buffa::ExtensionSet for PutRequest {
    const PROTO_FQN: &'static str = "etcdserverpb.PutRequest";
    fn unknown_fields(&self) -> &::buffa::UnknownFields {
        &self.__buffa_unknown_fields
    }
    fn unknown_fields_mut(&mut self) -> &mut ::buffa::UnknownFields {
        &mut self.__buffa_unknown_fields
    }
}
#[cfg(feature = "json")]
impl ::buffa::json_helpers::ProtoElemJson for PutRequest {
    fn serialize_proto_json<S: ::serde::Serializer>(
        v: &Self,
        s: S,
    ) -> ::core::result::Result<S::Ok, S::Error> {
        ::serde::Serialize::serialize(v, s)
    }
    fn deserialize_proto_json<'de, D: ::serde::Deserializer<'de>>(
        d: D,
    ) -> ::core::result::Result<Self, D::Error> {
        <Self as ::serde::Deserialize>::deserialize(d)
    }
}
#[cfg(feature = "json")]
#[doc(hidden)]
pub const __PUT_REQUEST_JSON_ANY: ::buffa::type_registry::JsonAnyEntry = ::buffa::type_registry::JsonAnyEntry {
    type_url: "type.googleapis.com/etcdserverpb.PutRequest",
    to_json: ::buffa::type_registry::any_to_json::<PutRequest>,
    from_json: ::buffa::type_registry::any_from_json::<PutRequest>,
    is_wkt: false,
};
#[derive(Clone, PartialEq, Default)]
#[cfg_attr(feature = "json", derive(::serde::Serialize, ::serde::Deserialize))]
#[cfg_attr(feature = "json", serde(default))]
pub struct PutResponse {
    /// Field 1: `header`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "header",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_unset_message_field"
        )
    )]
    pub header: ::buffa::MessageField<ResponseHeader, ::buffa::Inline<ResponseHeader>>,
    #[cfg_attr(feature = "json", serde(skip))]
    #[doc(hidden)]
    pub __buffa_unknown_fields: ::buffa::UnknownFields,
}
impl ::core::fmt::Debug for PutResponse {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("PutResponse").field("header", &self.header).finish()
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
        size += self.__buffa_unknown_fields.encoded_len() as u64;
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
        self.__buffa_unknown_fields.write_to(buf);
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
            _ => {
                self.__buffa_unknown_fields
                    .push(::buffa::encoding::decode_unknown_field(tag, buf, ctx)?);
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {
        self.header = ::buffa::MessageField::none();
        self.__buffa_unknown_fields.clear();
    }
}
impl ::buffa::ExtensionSet for PutResponse {
    const PROTO_FQN: &'static str = "etcdserverpb.PutResponse";
    fn unknown_fields(&self) -> &::buffa::UnknownFields {
        &self.__buffa_unknown_fields
    }
    fn unknown_fields_mut(&mut self) -> &mut ::buffa::UnknownFields {
        &mut self.__buffa_unknown_fields
    }
}
#[cfg(feature = "json")]
impl ::buffa::json_helpers::ProtoElemJson for PutResponse {
    fn serialize_proto_json<S: ::serde::Serializer>(
        v: &Self,
        s: S,
    ) -> ::core::result::Result<S::Ok, S::Error> {
        ::serde::Serialize::serialize(v, s)
    }
    fn deserialize_proto_json<'de, D: ::serde::Deserializer<'de>>(
        d: D,
    ) -> ::core::result::Result<Self, D::Error> {
        <Self as ::serde::Deserialize>::deserialize(d)
    }
}
#[cfg(feature = "json")]
#[doc(hidden)]
pub const __PUT_RESPONSE_JSON_ANY: ::buffa::type_registry::JsonAnyEntry = ::buffa::type_registry::JsonAnyEntry {
    type_url: "type.googleapis.com/etcdserverpb.PutResponse",
    to_json: ::buffa::type_registry::any_to_json::<PutResponse>,
    from_json: ::buffa::type_registry::any_from_json::<PutResponse>,
    is_wkt: false,
};
#[derive(Clone, PartialEq, Default)]
#[cfg_attr(feature = "json", derive(::serde::Serialize, ::serde::Deserialize))]
#[cfg_attr(feature = "json", serde(default))]
pub struct Event {
    /// Field 1: `type`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "type",
            with = "::buffa::json_helpers::proto_enum",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_default_enum_value"
        )
    )]
    pub r#type: ::buffa::EnumValue<event::EventType>,
    /// Field 2: `kv`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "kv",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_unset_message_field"
        )
    )]
    pub kv: ::buffa::MessageField<KeyValue, ::buffa::Inline<KeyValue>>,
    #[cfg_attr(feature = "json", serde(skip))]
    #[doc(hidden)]
    pub __buffa_unknown_fields: ::buffa::UnknownFields,
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
        size += self.__buffa_unknown_fields.encoded_len() as u64;
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
        self.__buffa_unknown_fields.write_to(buf);
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
                self.__buffa_unknown_fields
                    .push(::buffa::encoding::decode_unknown_field(tag, buf, ctx)?);
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {
        self.r#type = ::buffa::EnumValue::from(0);
        self.kv = ::buffa::MessageField::none();
        self.__buffa_unknown_fields.clear();
    }
}
impl ::buffa::ExtensionSet for Event {
    const PROTO_FQN: &'static str = "etcdserverpb.Event";
    fn unknown_fields(&self) -> &::buffa::UnknownFields {
        &self.__buffa_unknown_fields
    }
    fn unknown_fields_mut(&mut self) -> &mut ::buffa::UnknownFields {
        &mut self.__buffa_unknown_fields
    }
}
#[cfg(feature = "json")]
impl ::buffa::json_helpers::ProtoElemJson for Event {
    fn serialize_proto_json<S: ::serde::Serializer>(
        v: &Self,
        s: S,
    ) -> ::core::result::Result<S::Ok, S::Error> {
        ::serde::Serialize::serialize(v, s)
    }
    fn deserialize_proto_json<'de, D: ::serde::Deserializer<'de>>(
        d: D,
    ) -> ::core::result::Result<Self, D::Error> {
        <Self as ::serde::Deserialize>::deserialize(d)
    }
}
#[cfg(feature = "json")]
#[doc(hidden)]
pub const __EVENT_JSON_ANY: ::buffa::type_registry::JsonAnyEntry = ::buffa::type_registry::JsonAnyEntry {
    type_url: "type.googleapis.com/etcdserverpb.Event",
    to_json: ::buffa::type_registry::any_to_json::<Event>,
    from_json: ::buffa::type_registry::any_from_json::<Event>,
    is_wkt: false,
};
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
    #[cfg(feature = "json")]
    const _: () = {
        impl ::serde::Serialize for EventType {
            fn serialize<S: ::serde::Serializer>(
                &self,
                s: S,
            ) -> ::core::result::Result<S::Ok, S::Error> {
                s.serialize_str(::buffa::Enumeration::proto_name(self))
            }
        }
        impl<'de> ::serde::Deserialize<'de> for EventType {
            fn deserialize<D: ::serde::Deserializer<'de>>(
                d: D,
            ) -> ::core::result::Result<Self, D::Error> {
                struct _V;
                impl ::serde::de::Visitor<'_> for _V {
                    type Value = EventType;
                    fn expecting(
                        &self,
                        f: &mut ::core::fmt::Formatter<'_>,
                    ) -> ::core::fmt::Result {
                        f.write_str(
                            concat!(
                                "a string, integer, or null for ", stringify!(EventType)
                            ),
                        )
                    }
                    fn visit_str<E: ::serde::de::Error>(
                        self,
                        v: &str,
                    ) -> ::core::result::Result<EventType, E> {
                        <EventType as ::buffa::Enumeration>::from_proto_name(v)
                            .ok_or_else(|| {
                                ::serde::de::Error::unknown_variant(v, &[])
                            })
                    }
                    fn visit_i64<E: ::serde::de::Error>(
                        self,
                        v: i64,
                    ) -> ::core::result::Result<EventType, E> {
                        let v32 = i32::try_from(v)
                            .map_err(|_| {
                                ::serde::de::Error::custom(
                                    ::buffa::alloc::format!("enum value {v} out of i32 range"),
                                )
                            })?;
                        <EventType as ::buffa::Enumeration>::from_i32(v32)
                            .ok_or_else(|| {
                                ::serde::de::Error::custom(
                                    ::buffa::alloc::format!("unknown enum value {v32}"),
                                )
                            })
                    }
                    fn visit_u64<E: ::serde::de::Error>(
                        self,
                        v: u64,
                    ) -> ::core::result::Result<EventType, E> {
                        let v32 = i32::try_from(v)
                            .map_err(|_| {
                                ::serde::de::Error::custom(
                                    ::buffa::alloc::format!("enum value {v} out of i32 range"),
                                )
                            })?;
                        <EventType as ::buffa::Enumeration>::from_i32(v32)
                            .ok_or_else(|| {
                                ::serde::de::Error::custom(
                                    ::buffa::alloc::format!("unknown enum value {v32}"),
                                )
                            })
                    }
                    fn visit_unit<E: ::serde::de::Error>(
                        self,
                    ) -> ::core::result::Result<EventType, E> {
                        ::core::result::Result::Ok(::core::default::Default::default())
                    }
                }
                d.deserialize_any(_V)
            }
        }
        impl ::buffa::json_helpers::ProtoElemJson for EventType {
            fn serialize_proto_json<S: ::serde::Serializer>(
                v: &Self,
                s: S,
            ) -> ::core::result::Result<S::Ok, S::Error> {
                ::serde::Serialize::serialize(v, s)
            }
            fn deserialize_proto_json<'de, D: ::serde::Deserializer<'de>>(
                d: D,
            ) -> ::core::result::Result<Self, D::Error> {
                <Self as ::serde::Deserialize>::deserialize(d)
            }
        }
    };
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
#[cfg_attr(feature = "json", derive(::serde::Serialize))]
#[cfg_attr(feature = "json", serde(default))]
pub struct WatchRequest {
    #[cfg_attr(feature = "json", serde(flatten))]
    pub request_union: ::core::option::Option<
        __buffa::oneof::watch_request::RequestUnion,
    >,
    #[cfg_attr(feature = "json", serde(skip))]
    #[doc(hidden)]
    pub __buffa_unknown_fields: ::buffa::UnknownFields,
}
impl ::core::fmt::Debug for WatchRequest {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("WatchRequest")
            .field("request_union", &self.request_union)
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
        if let ::core::option::Option::Some(ref v) = self.request_union {
            match v {
                __buffa::oneof::watch_request::RequestUnion::CreateRequest(x) => {
                    let __slot = __cache.reserve();
                    let inner = x.compute_size(__cache);
                    __cache.set(__slot, inner);
                    size
                        += 1u64 + ::buffa::encoding::varint_len(inner as u64) as u64
                            + inner as u64;
                }
            }
        }
        size += self.__buffa_unknown_fields.encoded_len() as u64;
        ::buffa::saturate_size(size)
    }
    fn write_to(
        &self,
        __cache: &mut ::buffa::SizeCache,
        buf: &mut impl ::buffa::EncodeSink,
    ) {
        #[allow(unused_imports)]
        use ::buffa::Enumeration as _;
        if let ::core::option::Option::Some(ref v) = self.request_union {
            match v {
                __buffa::oneof::watch_request::RequestUnion::CreateRequest(x) => {
                    ::buffa::types::put_len_delimited_header(
                        1u32,
                        u64::from(__cache.consume_next()),
                        buf,
                    );
                    x.write_to(__cache, buf);
                }
            }
        }
        self.__buffa_unknown_fields.write_to(buf);
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
                if let ::core::option::Option::Some(
                    __buffa::oneof::watch_request::RequestUnion::CreateRequest(
                        ref mut existing,
                    ),
                ) = self.request_union
                {
                    ::buffa::Message::merge_length_delimited(&mut **existing, buf, ctx)?;
                } else {
                    let mut val = ::core::default::Default::default();
                    ::buffa::Message::merge_length_delimited(&mut val, buf, ctx)?;
                    self.request_union = ::core::option::Option::Some(
                        __buffa::oneof::watch_request::RequestUnion::CreateRequest(
                            ::buffa::alloc::boxed::Box::new(val),
                        ),
                    );
                }
            }
            _ => {
                self.__buffa_unknown_fields
                    .push(::buffa::encoding::decode_unknown_field(tag, buf, ctx)?);
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {
        self.request_union = ::core::option::Option::None;
        self.__buffa_unknown_fields.clear();
    }
}
impl ::buffa::ExtensionSet for WatchRequest {
    const PROTO_FQN: &'static str = "etcdserverpb.WatchRequest";
    fn unknown_fields(&self) -> &::buffa::UnknownFields {
        &self.__buffa_unknown_fields
    }
    fn unknown_fields_mut(&mut self) -> &mut ::buffa::UnknownFields {
        &mut self.__buffa_unknown_fields
    }
}
#[cfg(feature = "json")]
impl<'de> ::serde::Deserialize<'de> for WatchRequest {
    fn deserialize<D: ::serde::Deserializer<'de>>(
        d: D,
    ) -> ::core::result::Result<Self, D::Error> {
        struct _V;
        impl<'de> ::serde::de::Visitor<'de> for _V {
            type Value = WatchRequest;
            fn expecting(
                &self,
                f: &mut ::core::fmt::Formatter<'_>,
            ) -> ::core::fmt::Result {
                f.write_str("struct WatchRequest")
            }
            #[allow(clippy::field_reassign_with_default)]
            fn visit_map<A: ::serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> ::core::result::Result<WatchRequest, A::Error> {
                let mut __oneof_request_union: ::core::option::Option<
                    __buffa::oneof::watch_request::RequestUnion,
                > = None;
                while let Some(key) = map.next_key::<::buffa::alloc::string::String>()? {
                    match key.as_str() {
                        "createRequest" | "create_request" => {
                            let v: ::core::option::Option<WatchCreateRequest> = map
                                .next_value_seed(
                                    ::buffa::json_helpers::NullableDeserializeSeed(
                                        ::buffa::json_helpers::DefaultDeserializeSeed::<
                                            WatchCreateRequest,
                                        >::new(),
                                    ),
                                )?;
                            if let Some(v) = v {
                                if __oneof_request_union.is_some() {
                                    return Err(
                                        ::serde::de::Error::custom(
                                            "multiple oneof fields set for 'request_union'",
                                        ),
                                    );
                                }
                                __oneof_request_union = Some(
                                    __buffa::oneof::watch_request::RequestUnion::CreateRequest(
                                        ::buffa::alloc::boxed::Box::new(v),
                                    ),
                                );
                            }
                        }
                        _ => {
                            map.next_value::<::serde::de::IgnoredAny>()?;
                        }
                    }
                }
                let mut __r = <WatchRequest as ::core::default::Default>::default();
                __r.request_union = __oneof_request_union;
                Ok(__r)
            }
        }
        d.deserialize_map(_V)
    }
}
#[cfg(feature = "json")]
impl ::buffa::json_helpers::ProtoElemJson for WatchRequest {
    fn serialize_proto_json<S: ::serde::Serializer>(
        v: &Self,
        s: S,
    ) -> ::core::result::Result<S::Ok, S::Error> {
        ::serde::Serialize::serialize(v, s)
    }
    fn deserialize_proto_json<'de, D: ::serde::Deserializer<'de>>(
        d: D,
    ) -> ::core::result::Result<Self, D::Error> {
        <Self as ::serde::Deserialize>::deserialize(d)
    }
}
#[cfg(feature = "json")]
#[doc(hidden)]
pub const __WATCH_REQUEST_JSON_ANY: ::buffa::type_registry::JsonAnyEntry = ::buffa::type_registry::JsonAnyEntry {
    type_url: "type.googleapis.com/etcdserverpb.WatchRequest",
    to_json: ::buffa::type_registry::any_to_json::<WatchRequest>,
    from_json: ::buffa::type_registry::any_from_json::<WatchRequest>,
    is_wkt: false,
};
pub mod watch_request {
    #[allow(unused_imports)]
    use super::*;
    #[doc(inline)]
    pub use super::__buffa::oneof::watch_request::RequestUnion;
}
#[derive(Clone, PartialEq, Default)]
#[cfg_attr(feature = "json", derive(::serde::Serialize, ::serde::Deserialize))]
#[cfg_attr(feature = "json", serde(default))]
pub struct WatchCreateRequest {
    /// Field 1: `key`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "key",
            with = "::buffa::json_helpers::bytes",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_empty_bytes"
        )
    )]
    pub key: ::buffa::alloc::vec::Vec<u8>,
    /// Field 2: `range_end`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "rangeEnd",
            alias = "range_end",
            with = "::buffa::json_helpers::bytes",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_empty_bytes"
        )
    )]
    pub range_end: ::buffa::alloc::vec::Vec<u8>,
    /// Field 3: `start_revision`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "startRevision",
            alias = "start_revision",
            with = "::buffa::json_helpers::int64",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_zero_i64"
        )
    )]
    pub start_revision: i64,
    /// Field 4: `progress_notify`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "progressNotify",
            alias = "progress_notify",
            with = "::buffa::json_helpers::proto_bool",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_false"
        )
    )]
    pub progress_notify: bool,
    #[cfg_attr(feature = "json", serde(skip))]
    #[doc(hidden)]
    pub __buffa_unknown_fields: ::buffa::UnknownFields,
}
impl ::core::fmt::Debug for WatchCreateRequest {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("WatchCreateRequest")
            .field("key", &self.key)
            .field("range_end", &self.range_end)
            .field("start_revision", &self.start_revision)
            .field("progress_notify", &self.progress_notify)
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
        if self.progress_notify {
            size += 1u64 + ::buffa::types::BOOL_ENCODED_LEN as u64;
        }
        size += self.__buffa_unknown_fields.encoded_len() as u64;
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
        if self.progress_notify {
            ::buffa::types::put_bool_field(4u32, self.progress_notify, buf);
        }
        self.__buffa_unknown_fields.write_to(buf);
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
            4u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::Varint,
                )?;
                self.progress_notify = ::buffa::types::decode_bool(buf)?;
            }
            _ => {
                self.__buffa_unknown_fields
                    .push(::buffa::encoding::decode_unknown_field(tag, buf, ctx)?);
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {
        self.key.clear();
        self.range_end.clear();
        self.start_revision = 0i64;
        self.progress_notify = false;
        self.__buffa_unknown_fields.clear();
    }
}
impl ::buffa::ExtensionSet for WatchCreateRequest {
    const PROTO_FQN: &'static str = "etcdserverpb.WatchCreateRequest";
    fn unknown_fields(&self) -> &::buffa::UnknownFields {
        &self.__buffa_unknown_fields
    }
    fn unknown_fields_mut(&mut self) -> &mut ::buffa::UnknownFields {
        &mut self.__buffa_unknown_fields
    }
}
#[cfg(feature = "json")]
impl ::buffa::json_helpers::ProtoElemJson for WatchCreateRequest {
    fn serialize_proto_json<S: ::serde::Serializer>(
        v: &Self,
        s: S,
    ) -> ::core::result::Result<S::Ok, S::Error> {
        ::serde::Serialize::serialize(v, s)
    }
    fn deserialize_proto_json<'de, D: ::serde::Deserializer<'de>>(
        d: D,
    ) -> ::core::result::Result<Self, D::Error> {
        <Self as ::serde::Deserialize>::deserialize(d)
    }
}
#[cfg(feature = "json")]
#[doc(hidden)]
pub const __WATCH_CREATE_REQUEST_JSON_ANY: ::buffa::type_registry::JsonAnyEntry = ::buffa::type_registry::JsonAnyEntry {
    type_url: "type.googleapis.com/etcdserverpb.WatchCreateRequest",
    to_json: ::buffa::type_registry::any_to_json::<WatchCreateRequest>,
    from_json: ::buffa::type_registry::any_from_json::<WatchCreateRequest>,
    is_wkt: false,
};
#[derive(Clone, PartialEq, Default)]
#[cfg_attr(feature = "json", derive(::serde::Serialize, ::serde::Deserialize))]
#[cfg_attr(feature = "json", serde(default))]
pub struct WatchResponse {
    /// Field 1: `header`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "header",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_unset_message_field"
        )
    )]
    pub header: ::buffa::MessageField<ResponseHeader, ::buffa::Inline<ResponseHeader>>,
    /// Field 2: `watch_id`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "watchId",
            alias = "watch_id",
            with = "::buffa::json_helpers::int64",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_zero_i64"
        )
    )]
    pub watch_id: i64,
    /// Field 3: `created`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "created",
            with = "::buffa::json_helpers::proto_bool",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_false"
        )
    )]
    pub created: bool,
    /// Field 4: `canceled`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "canceled",
            with = "::buffa::json_helpers::proto_bool",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_false"
        )
    )]
    pub canceled: bool,
    /// Field 5: `compact_revision`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "compactRevision",
            alias = "compact_revision",
            with = "::buffa::json_helpers::int64",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_zero_i64"
        )
    )]
    pub compact_revision: i64,
    /// Field 6: `cancel_reason`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "cancelReason",
            alias = "cancel_reason",
            with = "::buffa::json_helpers::proto_string",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_empty_str"
        )
    )]
    pub cancel_reason: ::buffa::alloc::string::String,
    /// Field 11: `events`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "events",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_empty_vec",
            deserialize_with = "::buffa::json_helpers::null_as_default"
        )
    )]
    pub events: ::buffa::alloc::vec::Vec<Event>,
    #[cfg_attr(feature = "json", serde(skip))]
    #[doc(hidden)]
    pub __buffa_unknown_fields: ::buffa::UnknownFields,
}
impl ::core::fmt::Debug for WatchResponse {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("WatchResponse")
            .field("header", &self.header)
            .field("watch_id", &self.watch_id)
            .field("created", &self.created)
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
        if self.header.is_set() {
            let __slot = __cache.reserve();
            let inner_size = self.header.compute_size(__cache);
            __cache.set(__slot, inner_size);
            size
                += 1u64 + ::buffa::encoding::varint_len(inner_size as u64) as u64
                    + inner_size as u64;
        }
        if self.watch_id != 0i64 {
            size += 1u64 + ::buffa::types::int64_encoded_len(self.watch_id) as u64;
        }
        if self.created {
            size += 1u64 + ::buffa::types::BOOL_ENCODED_LEN as u64;
        }
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
        size += self.__buffa_unknown_fields.encoded_len() as u64;
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
        if self.watch_id != 0i64 {
            ::buffa::types::put_int64_field(2u32, self.watch_id, buf);
        }
        if self.created {
            ::buffa::types::put_bool_field(3u32, self.created, buf);
        }
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
        self.__buffa_unknown_fields.write_to(buf);
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
                    ::buffa::encoding::WireType::Varint,
                )?;
                self.watch_id = ::buffa::types::decode_int64(buf)?;
            }
            3u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::Varint,
                )?;
                self.created = ::buffa::types::decode_bool(buf)?;
            }
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
                self.__buffa_unknown_fields
                    .push(::buffa::encoding::decode_unknown_field(tag, buf, ctx)?);
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {
        self.header = ::buffa::MessageField::none();
        self.watch_id = 0i64;
        self.created = false;
        self.canceled = false;
        self.compact_revision = 0i64;
        self.cancel_reason.clear();
        self.events.clear();
        self.__buffa_unknown_fields.clear();
    }
}
impl ::buffa::ExtensionSet for WatchResponse {
    const PROTO_FQN: &'static str = "etcdserverpb.WatchResponse";
    fn unknown_fields(&self) -> &::buffa::UnknownFields {
        &self.__buffa_unknown_fields
    }
    fn unknown_fields_mut(&mut self) -> &mut ::buffa::UnknownFields {
        &mut self.__buffa_unknown_fields
    }
}
#[cfg(feature = "json")]
impl ::buffa::json_helpers::ProtoElemJson for WatchResponse {
    fn serialize_proto_json<S: ::serde::Serializer>(
        v: &Self,
        s: S,
    ) -> ::core::result::Result<S::Ok, S::Error> {
        ::serde::Serialize::serialize(v, s)
    }
    fn deserialize_proto_json<'de, D: ::serde::Deserializer<'de>>(
        d: D,
    ) -> ::core::result::Result<Self, D::Error> {
        <Self as ::serde::Deserialize>::deserialize(d)
    }
}
#[cfg(feature = "json")]
#[doc(hidden)]
pub const __WATCH_RESPONSE_JSON_ANY: ::buffa::type_registry::JsonAnyEntry = ::buffa::type_registry::JsonAnyEntry {
    type_url: "type.googleapis.com/etcdserverpb.WatchResponse",
    to_json: ::buffa::type_registry::any_to_json::<WatchResponse>,
    from_json: ::buffa::type_registry::any_from_json::<WatchResponse>,
    is_wkt: false,
};
#[derive(Clone, PartialEq, Default)]
#[cfg_attr(feature = "json", derive(::serde::Serialize, ::serde::Deserialize))]
#[cfg_attr(feature = "json", serde(default))]
#[allow(non_snake_case)]
pub struct LeaseGrantRequest {
    /// Seconds.
    ///
    /// Field 1: `TTL`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "TTL",
            with = "::buffa::json_helpers::int64",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_zero_i64"
        )
    )]
    pub TTL: i64,
    /// Field 2: `ID`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "ID",
            with = "::buffa::json_helpers::int64",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_zero_i64"
        )
    )]
    pub ID: i64,
    #[cfg_attr(feature = "json", serde(skip))]
    #[doc(hidden)]
    pub __buffa_unknown_fields: ::buffa::UnknownFields,
}
impl ::core::fmt::Debug for LeaseGrantRequest {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("LeaseGrantRequest")
            .field("TTL", &self.TTL)
            .field("ID", &self.ID)
            .finish()
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
        if self.ID != 0i64 {
            size += 1u64 + ::buffa::types::int64_encoded_len(self.ID) as u64;
        }
        size += self.__buffa_unknown_fields.encoded_len() as u64;
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
        if self.ID != 0i64 {
            ::buffa::types::put_int64_field(2u32, self.ID, buf);
        }
        self.__buffa_unknown_fields.write_to(buf);
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
            2u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::Varint,
                )?;
                self.ID = ::buffa::types::decode_int64(buf)?;
            }
            _ => {
                self.__buffa_unknown_fields
                    .push(::buffa::encoding::decode_unknown_field(tag, buf, ctx)?);
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {
        self.TTL = 0i64;
        self.ID = 0i64;
        self.__buffa_unknown_fields.clear();
    }
}
impl ::buffa::ExtensionSet for LeaseGrantRequest {
    const PROTO_FQN: &'static str = "etcdserverpb.LeaseGrantRequest";
    fn unknown_fields(&self) -> &::buffa::UnknownFields {
        &self.__buffa_unknown_fields
    }
    fn unknown_fields_mut(&mut self) -> &mut ::buffa::UnknownFields {
        &mut self.__buffa_unknown_fields
    }
}
#[cfg(feature = "json")]
impl ::buffa::json_helpers::ProtoElemJson for LeaseGrantRequest {
    fn serialize_proto_json<S: ::serde::Serializer>(
        v: &Self,
        s: S,
    ) -> ::core::result::Result<S::Ok, S::Error> {
        ::serde::Serialize::serialize(v, s)
    }
    fn deserialize_proto_json<'de, D: ::serde::Deserializer<'de>>(
        d: D,
    ) -> ::core::result::Result<Self, D::Error> {
        <Self as ::serde::Deserialize>::deserialize(d)
    }
}
#[cfg(feature = "json")]
#[doc(hidden)]
pub const __LEASE_GRANT_REQUEST_JSON_ANY: ::buffa::type_registry::JsonAnyEntry = ::buffa::type_registry::JsonAnyEntry {
    type_url: "type.googleapis.com/etcdserverpb.LeaseGrantRequest",
    to_json: ::buffa::type_registry::any_to_json::<LeaseGrantRequest>,
    from_json: ::buffa::type_registry::any_from_json::<LeaseGrantRequest>,
    is_wkt: false,
};
#[derive(Clone, PartialEq, Default)]
#[cfg_attr(feature = "json", derive(::serde::Serialize, ::serde::Deserialize))]
#[cfg_attr(feature = "json", serde(default))]
#[allow(non_snake_case)]
pub struct LeaseGrantResponse {
    /// Field 1: `header`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "header",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_unset_message_field"
        )
    )]
    pub header: ::buffa::MessageField<ResponseHeader, ::buffa::Inline<ResponseHeader>>,
    /// Field 2: `ID`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "ID",
            with = "::buffa::json_helpers::int64",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_zero_i64"
        )
    )]
    pub ID: i64,
    /// Field 3: `TTL`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "TTL",
            with = "::buffa::json_helpers::int64",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_zero_i64"
        )
    )]
    pub TTL: i64,
    /// Field 4: `error`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "error",
            with = "::buffa::json_helpers::proto_string",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_empty_str"
        )
    )]
    pub error: ::buffa::alloc::string::String,
    #[cfg_attr(feature = "json", serde(skip))]
    #[doc(hidden)]
    pub __buffa_unknown_fields: ::buffa::UnknownFields,
}
impl ::core::fmt::Debug for LeaseGrantResponse {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("LeaseGrantResponse")
            .field("header", &self.header)
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
        if self.ID != 0i64 {
            size += 1u64 + ::buffa::types::int64_encoded_len(self.ID) as u64;
        }
        if self.TTL != 0i64 {
            size += 1u64 + ::buffa::types::int64_encoded_len(self.TTL) as u64;
        }
        if !self.error.is_empty() {
            size += 1u64 + ::buffa::types::string_encoded_len(&self.error) as u64;
        }
        size += self.__buffa_unknown_fields.encoded_len() as u64;
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
        if self.ID != 0i64 {
            ::buffa::types::put_int64_field(2u32, self.ID, buf);
        }
        if self.TTL != 0i64 {
            ::buffa::types::put_int64_field(3u32, self.TTL, buf);
        }
        if !self.error.is_empty() {
            ::buffa::types::put_string_field(4u32, &self.error, buf);
        }
        self.__buffa_unknown_fields.write_to(buf);
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
                self.__buffa_unknown_fields
                    .push(::buffa::encoding::decode_unknown_field(tag, buf, ctx)?);
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {
        self.header = ::buffa::MessageField::none();
        self.ID = 0i64;
        self.TTL = 0i64;
        self.error.clear();
        self.__buffa_unknown_fields.clear();
    }
}
impl ::buffa::ExtensionSet for LeaseGrantResponse {
    const PROTO_FQN: &'static str = "etcdserverpb.LeaseGrantResponse";
    fn unknown_fields(&self) -> &::buffa::UnknownFields {
        &self.__buffa_unknown_fields
    }
    fn unknown_fields_mut(&mut self) -> &mut ::buffa::UnknownFields {
        &mut self.__buffa_unknown_fields
    }
}
#[cfg(feature = "json")]
impl ::buffa::json_helpers::ProtoElemJson for LeaseGrantResponse {
    fn serialize_proto_json<S: ::serde::Serializer>(
        v: &Self,
        s: S,
    ) -> ::core::result::Result<S::Ok, S::Error> {
        ::serde::Serialize::serialize(v, s)
    }
    fn deserialize_proto_json<'de, D: ::serde::Deserializer<'de>>(
        d: D,
    ) -> ::core::result::Result<Self, D::Error> {
        <Self as ::serde::Deserialize>::deserialize(d)
    }
}
#[cfg(feature = "json")]
#[doc(hidden)]
pub const __LEASE_GRANT_RESPONSE_JSON_ANY: ::buffa::type_registry::JsonAnyEntry = ::buffa::type_registry::JsonAnyEntry {
    type_url: "type.googleapis.com/etcdserverpb.LeaseGrantResponse",
    to_json: ::buffa::type_registry::any_to_json::<LeaseGrantResponse>,
    from_json: ::buffa::type_registry::any_from_json::<LeaseGrantResponse>,
    is_wkt: false,
};
#[derive(Clone, PartialEq, Default)]
#[cfg_attr(feature = "json", derive(::serde::Serialize, ::serde::Deserialize))]
#[cfg_attr(feature = "json", serde(default))]
#[allow(non_snake_case)]
pub struct LeaseRevokeRequest {
    /// Field 1: `ID`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "ID",
            with = "::buffa::json_helpers::int64",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_zero_i64"
        )
    )]
    pub ID: i64,
    #[cfg_attr(feature = "json", serde(skip))]
    #[doc(hidden)]
    pub __buffa_unknown_fields: ::buffa::UnknownFields,
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
        size += self.__buffa_unknown_fields.encoded_len() as u64;
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
        self.__buffa_unknown_fields.write_to(buf);
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
                self.__buffa_unknown_fields
                    .push(::buffa::encoding::decode_unknown_field(tag, buf, ctx)?);
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {
        self.ID = 0i64;
        self.__buffa_unknown_fields.clear();
    }
}
impl ::buffa::ExtensionSet for LeaseRevokeRequest {
    const PROTO_FQN: &'static str = "etcdserverpb.LeaseRevokeRequest";
    fn unknown_fields(&self) -> &::buffa::UnknownFields {
        &self.__buffa_unknown_fields
    }
    fn unknown_fields_mut(&mut self) -> &mut ::buffa::UnknownFields {
        &mut self.__buffa_unknown_fields
    }
}
#[cfg(feature = "json")]
impl ::buffa::json_helpers::ProtoElemJson for LeaseRevokeRequest {
    fn serialize_proto_json<S: ::serde::Serializer>(
        v: &Self,
        s: S,
    ) -> ::core::result::Result<S::Ok, S::Error> {
        ::serde::Serialize::serialize(v, s)
    }
    fn deserialize_proto_json<'de, D: ::serde::Deserializer<'de>>(
        d: D,
    ) -> ::core::result::Result<Self, D::Error> {
        <Self as ::serde::Deserialize>::deserialize(d)
    }
}
#[cfg(feature = "json")]
#[doc(hidden)]
pub const __LEASE_REVOKE_REQUEST_JSON_ANY: ::buffa::type_registry::JsonAnyEntry = ::buffa::type_registry::JsonAnyEntry {
    type_url: "type.googleapis.com/etcdserverpb.LeaseRevokeRequest",
    to_json: ::buffa::type_registry::any_to_json::<LeaseRevokeRequest>,
    from_json: ::buffa::type_registry::any_from_json::<LeaseRevokeRequest>,
    is_wkt: false,
};
#[derive(Clone, PartialEq, Default)]
#[cfg_attr(feature = "json", derive(::serde::Serialize, ::serde::Deserialize))]
#[cfg_attr(feature = "json", serde(default))]
pub struct LeaseRevokeResponse {
    /// Field 1: `header`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "header",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_unset_message_field"
        )
    )]
    pub header: ::buffa::MessageField<ResponseHeader, ::buffa::Inline<ResponseHeader>>,
    #[cfg_attr(feature = "json", serde(skip))]
    #[doc(hidden)]
    pub __buffa_unknown_fields: ::buffa::UnknownFields,
}
impl ::core::fmt::Debug for LeaseRevokeResponse {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("LeaseRevokeResponse").field("header", &self.header).finish()
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
        size += self.__buffa_unknown_fields.encoded_len() as u64;
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
        self.__buffa_unknown_fields.write_to(buf);
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
            _ => {
                self.__buffa_unknown_fields
                    .push(::buffa::encoding::decode_unknown_field(tag, buf, ctx)?);
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {
        self.header = ::buffa::MessageField::none();
        self.__buffa_unknown_fields.clear();
    }
}
impl ::buffa::ExtensionSet for LeaseRevokeResponse {
    const PROTO_FQN: &'static str = "etcdserverpb.LeaseRevokeResponse";
    fn unknown_fields(&self) -> &::buffa::UnknownFields {
        &self.__buffa_unknown_fields
    }
    fn unknown_fields_mut(&mut self) -> &mut ::buffa::UnknownFields {
        &mut self.__buffa_unknown_fields
    }
}
#[cfg(feature = "json")]
impl ::buffa::json_helpers::ProtoElemJson for LeaseRevokeResponse {
    fn serialize_proto_json<S: ::serde::Serializer>(
        v: &Self,
        s: S,
    ) -> ::core::result::Result<S::Ok, S::Error> {
        ::serde::Serialize::serialize(v, s)
    }
    fn deserialize_proto_json<'de, D: ::serde::Deserializer<'de>>(
        d: D,
    ) -> ::core::result::Result<Self, D::Error> {
        <Self as ::serde::Deserialize>::deserialize(d)
    }
}
#[cfg(feature = "json")]
#[doc(hidden)]
pub const __LEASE_REVOKE_RESPONSE_JSON_ANY: ::buffa::type_registry::JsonAnyEntry = ::buffa::type_registry::JsonAnyEntry {
    type_url: "type.googleapis.com/etcdserverpb.LeaseRevokeResponse",
    to_json: ::buffa::type_registry::any_to_json::<LeaseRevokeResponse>,
    from_json: ::buffa::type_registry::any_from_json::<LeaseRevokeResponse>,
    is_wkt: false,
};
#[derive(Clone, PartialEq, Default)]
#[cfg_attr(feature = "json", derive(::serde::Serialize, ::serde::Deserialize))]
#[cfg_attr(feature = "json", serde(default))]
#[allow(non_snake_case)]
pub struct LeaseKeepAliveRequest {
    /// Field 1: `ID`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "ID",
            with = "::buffa::json_helpers::int64",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_zero_i64"
        )
    )]
    pub ID: i64,
    #[cfg_attr(feature = "json", serde(skip))]
    #[doc(hidden)]
    pub __buffa_unknown_fields: ::buffa::UnknownFields,
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
        size += self.__buffa_unknown_fields.encoded_len() as u64;
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
        self.__buffa_unknown_fields.write_to(buf);
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
                self.__buffa_unknown_fields
                    .push(::buffa::encoding::decode_unknown_field(tag, buf, ctx)?);
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {
        self.ID = 0i64;
        self.__buffa_unknown_fields.clear();
    }
}
impl ::buffa::ExtensionSet for LeaseKeepAliveRequest {
    const PROTO_FQN: &'static str = "etcdserverpb.LeaseKeepAliveRequest";
    fn unknown_fields(&self) -> &::buffa::UnknownFields {
        &self.__buffa_unknown_fields
    }
    fn unknown_fields_mut(&mut self) -> &mut ::buffa::UnknownFields {
        &mut self.__buffa_unknown_fields
    }
}
#[cfg(feature = "json")]
impl ::buffa::json_helpers::ProtoElemJson for LeaseKeepAliveRequest {
    fn serialize_proto_json<S: ::serde::Serializer>(
        v: &Self,
        s: S,
    ) -> ::core::result::Result<S::Ok, S::Error> {
        ::serde::Serialize::serialize(v, s)
    }
    fn deserialize_proto_json<'de, D: ::serde::Deserializer<'de>>(
        d: D,
    ) -> ::core::result::Result<Self, D::Error> {
        <Self as ::serde::Deserialize>::deserialize(d)
    }
}
#[cfg(feature = "json")]
#[doc(hidden)]
pub const __LEASE_KEEP_ALIVE_REQUEST_JSON_ANY: ::buffa::type_registry::JsonAnyEntry = ::buffa::type_registry::JsonAnyEntry {
    type_url: "type.googleapis.com/etcdserverpb.LeaseKeepAliveRequest",
    to_json: ::buffa::type_registry::any_to_json::<LeaseKeepAliveRequest>,
    from_json: ::buffa::type_registry::any_from_json::<LeaseKeepAliveRequest>,
    is_wkt: false,
};
#[derive(Clone, PartialEq, Default)]
#[cfg_attr(feature = "json", derive(::serde::Serialize, ::serde::Deserialize))]
#[cfg_attr(feature = "json", serde(default))]
#[allow(non_snake_case)]
pub struct LeaseKeepAliveResponse {
    /// Field 1: `header`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "header",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_unset_message_field"
        )
    )]
    pub header: ::buffa::MessageField<ResponseHeader, ::buffa::Inline<ResponseHeader>>,
    /// Field 2: `ID`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "ID",
            with = "::buffa::json_helpers::int64",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_zero_i64"
        )
    )]
    pub ID: i64,
    /// Field 3: `TTL`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "TTL",
            with = "::buffa::json_helpers::int64",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_zero_i64"
        )
    )]
    pub TTL: i64,
    #[cfg_attr(feature = "json", serde(skip))]
    #[doc(hidden)]
    pub __buffa_unknown_fields: ::buffa::UnknownFields,
}
impl ::core::fmt::Debug for LeaseKeepAliveResponse {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("LeaseKeepAliveResponse")
            .field("header", &self.header)
            .field("ID", &self.ID)
            .field("TTL", &self.TTL)
            .finish()
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
        if self.ID != 0i64 {
            size += 1u64 + ::buffa::types::int64_encoded_len(self.ID) as u64;
        }
        if self.TTL != 0i64 {
            size += 1u64 + ::buffa::types::int64_encoded_len(self.TTL) as u64;
        }
        size += self.__buffa_unknown_fields.encoded_len() as u64;
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
        if self.ID != 0i64 {
            ::buffa::types::put_int64_field(2u32, self.ID, buf);
        }
        if self.TTL != 0i64 {
            ::buffa::types::put_int64_field(3u32, self.TTL, buf);
        }
        self.__buffa_unknown_fields.write_to(buf);
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
            _ => {
                self.__buffa_unknown_fields
                    .push(::buffa::encoding::decode_unknown_field(tag, buf, ctx)?);
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {
        self.header = ::buffa::MessageField::none();
        self.ID = 0i64;
        self.TTL = 0i64;
        self.__buffa_unknown_fields.clear();
    }
}
impl ::buffa::ExtensionSet for LeaseKeepAliveResponse {
    const PROTO_FQN: &'static str = "etcdserverpb.LeaseKeepAliveResponse";
    fn unknown_fields(&self) -> &::buffa::UnknownFields {
        &self.__buffa_unknown_fields
    }
    fn unknown_fields_mut(&mut self) -> &mut ::buffa::UnknownFields {
        &mut self.__buffa_unknown_fields
    }
}
#[cfg(feature = "json")]
impl ::buffa::json_helpers::ProtoElemJson for LeaseKeepAliveResponse {
    fn serialize_proto_json<S: ::serde::Serializer>(
        v: &Self,
        s: S,
    ) -> ::core::result::Result<S::Ok, S::Error> {
        ::serde::Serialize::serialize(v, s)
    }
    fn deserialize_proto_json<'de, D: ::serde::Deserializer<'de>>(
        d: D,
    ) -> ::core::result::Result<Self, D::Error> {
        <Self as ::serde::Deserialize>::deserialize(d)
    }
}
#[cfg(feature = "json")]
#[doc(hidden)]
pub const __LEASE_KEEP_ALIVE_RESPONSE_JSON_ANY: ::buffa::type_registry::JsonAnyEntry = ::buffa::type_registry::JsonAnyEntry {
    type_url: "type.googleapis.com/etcdserverpb.LeaseKeepAliveResponse",
    to_json: ::buffa::type_registry::any_to_json::<LeaseKeepAliveResponse>,
    from_json: ::buffa::type_registry::any_from_json::<LeaseKeepAliveResponse>,
    is_wkt: false,
};
#[allow(
    non_camel_case_types,
    dead_code,
    unused_imports,
    unused_qualifications,
    clippy::derivable_impls,
    clippy::match_single_binding,
    clippy::uninlined_format_args,
    clippy::doc_lazy_continuation,
    clippy::module_inception
)]
pub mod __buffa {
    #[allow(unused_imports)]
    use super::*;
    pub mod oneof {
        #[allow(unused_imports)]
        use super::*;
        pub mod watch_request {
            #[allow(unused_imports)]
            use super::*;
            #[derive(Clone, PartialEq, Debug)]
            pub enum RequestUnion {
                CreateRequest(
                    ::buffa::alloc::boxed::Box<super::super::super::WatchCreateRequest>,
                ),
            }
            impl ::buffa::Oneof for RequestUnion {}
            impl From<super::super::super::WatchCreateRequest> for RequestUnion {
                fn from(v: super::super::super::WatchCreateRequest) -> Self {
                    Self::CreateRequest(::buffa::alloc::boxed::Box::new(v))
                }
            }
            impl From<super::super::super::WatchCreateRequest>
            for ::core::option::Option<RequestUnion> {
                fn from(v: super::super::super::WatchCreateRequest) -> Self {
                    Self::Some(RequestUnion::from(v))
                }
            }
            #[cfg(feature = "json")]
            impl ::serde::Serialize for RequestUnion {
                fn serialize<S: ::serde::Serializer>(
                    &self,
                    s: S,
                ) -> ::core::result::Result<S::Ok, S::Error> {
                    use ::serde::ser::SerializeMap;
                    let mut map = s.serialize_map(Some(1))?;
                    match self {
                        Self::CreateRequest(v) => {
                            map.serialize_entry("createRequest", &**v)?;
                        }
                    }
                    map.end()
                }
            }
        }
    }
}
