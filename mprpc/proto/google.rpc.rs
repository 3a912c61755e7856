// Made from google/rpc/error_details.proto by a test of mprpc-build, which says when it is out of date.

/// Why it failed, for programs: what to match on in the place of the message's text.
#[derive(Clone, PartialEq, Default)]
#[cfg_attr(feature = "json", derive(::serde::Serialize, ::serde::Deserialize))]
#[cfg_attr(feature = "json", serde(default))]
pub struct ErrorInfo {
    /// The cause, constant and in capitals, unique within the domain: `STOCK_EMPTY`.
    ///
    /// Field 1: `reason`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "reason",
            with = "::buffa::json_helpers::proto_string",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_empty_str"
        )
    )]
    pub reason: ::buffa::alloc::string::String,
    /// Who the reason is of: the name of the service or the product, `shop.example.com`.
    ///
    /// Field 2: `domain`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "domain",
            with = "::buffa::json_helpers::proto_string",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_empty_str"
        )
    )]
    pub domain: ::buffa::alloc::string::String,
    /// More about this case: keys in lowerCamelCase.
    ///
    /// Field 3: `metadata`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "metadata",
            skip_serializing_if = "::buffa::__private::HashMap::is_empty",
            deserialize_with = "::buffa::json_helpers::null_as_default"
        )
    )]
    pub metadata: ::buffa::__private::HashMap<
        ::buffa::alloc::string::String,
        ::buffa::alloc::string::String,
    >,
    #[cfg_attr(feature = "json", serde(skip))]
    #[doc(hidden)]
    pub __buffa_unknown_fields: ::buffa::UnknownFields,
}
impl ::core::fmt::Debug for ErrorInfo {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("ErrorInfo")
            .field("reason", &self.reason)
            .field("domain", &self.domain)
            .field("metadata", &self.metadata)
            .finish()
    }
}
impl ErrorInfo {
    /// Protobuf type URL for this message, for use with `Any::pack` and
    /// `Any::unpack_if`.
    ///
    /// Format: `type.googleapis.com/<fully.qualified.TypeName>`
    pub const TYPE_URL: &'static str = "type.googleapis.com/google.rpc.ErrorInfo";
}
::buffa::impl_default_instance!(ErrorInfo);
impl ::buffa::MessageName for ErrorInfo {
    const PACKAGE: &'static str = "google.rpc";
    const NAME: &'static str = "ErrorInfo";
    const FULL_NAME: &'static str = "google.rpc.ErrorInfo";
    const TYPE_URL: &'static str = "type.googleapis.com/google.rpc.ErrorInfo";
}
impl ::buffa::Message for ErrorInfo {
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
        if !self.reason.is_empty() {
            size += 1u64 + ::buffa::types::string_encoded_len(&self.reason) as u64;
        }
        if !self.domain.is_empty() {
            size += 1u64 + ::buffa::types::string_encoded_len(&self.domain) as u64;
        }
        size
            += ::buffa::map_codec::field_len::<
                ::buffa::map_codec::Str,
                ::buffa::map_codec::Str,
                _,
            >(&self.metadata, 1u64);
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
        if !self.reason.is_empty() {
            ::buffa::types::put_string_field(1u32, &self.reason, buf);
        }
        if !self.domain.is_empty() {
            ::buffa::types::put_string_field(2u32, &self.domain, buf);
        }
        ::buffa::map_codec::write_field::<
            ::buffa::map_codec::Str,
            ::buffa::map_codec::Str,
            _,
        >(&self.metadata, 3u32, buf);
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
                ::buffa::types::merge_string(&mut self.reason, buf)?;
            }
            2u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::LengthDelimited,
                )?;
                ::buffa::types::merge_string(&mut self.domain, buf)?;
            }
            3u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::LengthDelimited,
                )?;
                ::buffa::map_codec::merge_entry::<
                    ::buffa::map_codec::Str,
                    ::buffa::map_codec::Str,
                    _,
                >(&mut self.metadata, buf, ctx)?;
            }
            _ => {
                self.__buffa_unknown_fields
                    .push(::buffa::encoding::decode_unknown_field(tag, buf, ctx)?);
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {
        self.reason.clear();
        self.domain.clear();
        self.metadata.clear();
        self.__buffa_unknown_fields.clear();
    }
}
impl ::buffa::ExtensionSet for ErrorInfo {
    const PROTO_FQN: &'static str = "google.rpc.ErrorInfo";
    fn unknown_fields(&self) -> &::buffa::UnknownFields {
        &self.__buffa_unknown_fields
    }
    fn unknown_fields_mut(&mut self) -> &mut ::buffa::UnknownFields {
        &mut self.__buffa_unknown_fields
    }
}
#[cfg(feature = "json")]
impl ::buffa::json_helpers::ProtoElemJson for ErrorInfo {
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
pub const __ERROR_INFO_JSON_ANY: ::buffa::type_registry::JsonAnyEntry = ::buffa::type_registry::JsonAnyEntry {
    type_url: "type.googleapis.com/google.rpc.ErrorInfo",
    to_json: ::buffa::type_registry::any_to_json::<ErrorInfo>,
    from_json: ::buffa::type_registry::any_from_json::<ErrorInfo>,
    is_wkt: false,
};
/// When the call may be made again.
#[derive(Clone, PartialEq, Default)]
#[cfg_attr(feature = "json", derive(::serde::Serialize, ::serde::Deserialize))]
#[cfg_attr(feature = "json", serde(default))]
pub struct RetryInfo {
    /// How long to wait before.
    ///
    /// Field 1: `retry_delay`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "retryDelay",
            alias = "retry_delay",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_unset_message_field"
        )
    )]
    pub retry_delay: ::buffa::MessageField<
        ::buffa_types::google::protobuf::Duration,
        ::buffa::Inline<::buffa_types::google::protobuf::Duration>,
    >,
    #[cfg_attr(feature = "json", serde(skip))]
    #[doc(hidden)]
    pub __buffa_unknown_fields: ::buffa::UnknownFields,
}
impl ::core::fmt::Debug for RetryInfo {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("RetryInfo").field("retry_delay", &self.retry_delay).finish()
    }
}
impl RetryInfo {
    /// Protobuf type URL for this message, for use with `Any::pack` and
    /// `Any::unpack_if`.
    ///
    /// Format: `type.googleapis.com/<fully.qualified.TypeName>`
    pub const TYPE_URL: &'static str = "type.googleapis.com/google.rpc.RetryInfo";
}
::buffa::impl_default_instance!(RetryInfo);
impl ::buffa::MessageName for RetryInfo {
    const PACKAGE: &'static str = "google.rpc";
    const NAME: &'static str = "RetryInfo";
    const FULL_NAME: &'static str = "google.rpc.RetryInfo";
    const TYPE_URL: &'static str = "type.googleapis.com/google.rpc.RetryInfo";
}
impl ::buffa::Message for RetryInfo {
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
        if self.retry_delay.is_set() {
            let __slot = __cache.reserve();
            let inner_size = self.retry_delay.compute_size(__cache);
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
        if self.retry_delay.is_set() {
            ::buffa::types::put_len_delimited_header(
                1u32,
                u64::from(__cache.consume_next()),
                buf,
            );
            self.retry_delay.write_to(__cache, buf);
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
                    self.retry_delay.get_or_insert_default(),
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
        self.retry_delay = ::buffa::MessageField::none();
        self.__buffa_unknown_fields.clear();
    }
}
impl ::buffa::ExtensionSet for RetryInfo {
    const PROTO_FQN: &'static str = "google.rpc.RetryInfo";
    fn unknown_fields(&self) -> &::buffa::UnknownFields {
        &self.__buffa_unknown_fields
    }
    fn unknown_fields_mut(&mut self) -> &mut ::buffa::UnknownFields {
        &mut self.__buffa_unknown_fields
    }
}
#[cfg(feature = "json")]
impl ::buffa::json_helpers::ProtoElemJson for RetryInfo {
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
pub const __RETRY_INFO_JSON_ANY: ::buffa::type_registry::JsonAnyEntry = ::buffa::type_registry::JsonAnyEntry {
    type_url: "type.googleapis.com/google.rpc.RetryInfo",
    to_json: ::buffa::type_registry::any_to_json::<RetryInfo>,
    from_json: ::buffa::type_registry::any_from_json::<RetryInfo>,
    is_wkt: false,
};
/// Where in the server it happened. Not for callers whom the server does not trust.
#[derive(Clone, PartialEq, Default)]
#[cfg_attr(feature = "json", derive(::serde::Serialize, ::serde::Deserialize))]
#[cfg_attr(feature = "json", serde(default))]
pub struct DebugInfo {
    /// The stack, a frame a line.
    ///
    /// Field 1: `stack_entries`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "stackEntries",
            alias = "stack_entries",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_empty_vec",
            deserialize_with = "::buffa::json_helpers::null_as_default"
        )
    )]
    pub stack_entries: ::buffa::alloc::vec::Vec<::buffa::alloc::string::String>,
    /// What else the server has to say.
    ///
    /// Field 2: `detail`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "detail",
            with = "::buffa::json_helpers::proto_string",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_empty_str"
        )
    )]
    pub detail: ::buffa::alloc::string::String,
    #[cfg_attr(feature = "json", serde(skip))]
    #[doc(hidden)]
    pub __buffa_unknown_fields: ::buffa::UnknownFields,
}
impl ::core::fmt::Debug for DebugInfo {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("DebugInfo")
            .field("stack_entries", &self.stack_entries)
            .field("detail", &self.detail)
            .finish()
    }
}
impl DebugInfo {
    /// Protobuf type URL for this message, for use with `Any::pack` and
    /// `Any::unpack_if`.
    ///
    /// Format: `type.googleapis.com/<fully.qualified.TypeName>`
    pub const TYPE_URL: &'static str = "type.googleapis.com/google.rpc.DebugInfo";
}
::buffa::impl_default_instance!(DebugInfo);
impl ::buffa::MessageName for DebugInfo {
    const PACKAGE: &'static str = "google.rpc";
    const NAME: &'static str = "DebugInfo";
    const FULL_NAME: &'static str = "google.rpc.DebugInfo";
    const TYPE_URL: &'static str = "type.googleapis.com/google.rpc.DebugInfo";
}
impl ::buffa::Message for DebugInfo {
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
        for v in &self.stack_entries {
            size += 1u64 + ::buffa::types::string_encoded_len(v) as u64;
        }
        if !self.detail.is_empty() {
            size += 1u64 + ::buffa::types::string_encoded_len(&self.detail) as u64;
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
        for v in &self.stack_entries {
            ::buffa::types::put_string_field(1u32, v, buf);
        }
        if !self.detail.is_empty() {
            ::buffa::types::put_string_field(2u32, &self.detail, buf);
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
                let __elem = ::buffa::types::decode_string(buf)?;
                ctx.register_element_memory(
                    ::buffa::__private::element_footprint(&__elem),
                )?;
                self.stack_entries.push(__elem);
            }
            2u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::LengthDelimited,
                )?;
                ::buffa::types::merge_string(&mut self.detail, buf)?;
            }
            _ => {
                self.__buffa_unknown_fields
                    .push(::buffa::encoding::decode_unknown_field(tag, buf, ctx)?);
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {
        self.stack_entries.clear();
        self.detail.clear();
        self.__buffa_unknown_fields.clear();
    }
}
impl ::buffa::ExtensionSet for DebugInfo {
    const PROTO_FQN: &'static str = "google.rpc.DebugInfo";
    fn unknown_fields(&self) -> &::buffa::UnknownFields {
        &self.__buffa_unknown_fields
    }
    fn unknown_fields_mut(&mut self) -> &mut ::buffa::UnknownFields {
        &mut self.__buffa_unknown_fields
    }
}
#[cfg(feature = "json")]
impl ::buffa::json_helpers::ProtoElemJson for DebugInfo {
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
pub const __DEBUG_INFO_JSON_ANY: ::buffa::type_registry::JsonAnyEntry = ::buffa::type_registry::JsonAnyEntry {
    type_url: "type.googleapis.com/google.rpc.DebugInfo",
    to_json: ::buffa::type_registry::any_to_json::<DebugInfo>,
    from_json: ::buffa::type_registry::any_from_json::<DebugInfo>,
    is_wkt: false,
};
/// Which quota is used up.
#[derive(Clone, PartialEq, Default)]
#[cfg_attr(feature = "json", derive(::serde::Serialize, ::serde::Deserialize))]
#[cfg_attr(feature = "json", serde(default))]
pub struct QuotaFailure {
    /// Each quota that is used up.
    ///
    /// Field 1: `violations`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "violations",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_empty_vec",
            deserialize_with = "::buffa::json_helpers::null_as_default"
        )
    )]
    pub violations: ::buffa::alloc::vec::Vec<quota_failure::Violation>,
    #[cfg_attr(feature = "json", serde(skip))]
    #[doc(hidden)]
    pub __buffa_unknown_fields: ::buffa::UnknownFields,
}
impl ::core::fmt::Debug for QuotaFailure {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("QuotaFailure").field("violations", &self.violations).finish()
    }
}
impl QuotaFailure {
    /// Protobuf type URL for this message, for use with `Any::pack` and
    /// `Any::unpack_if`.
    ///
    /// Format: `type.googleapis.com/<fully.qualified.TypeName>`
    pub const TYPE_URL: &'static str = "type.googleapis.com/google.rpc.QuotaFailure";
}
::buffa::impl_default_instance!(QuotaFailure);
impl ::buffa::MessageName for QuotaFailure {
    const PACKAGE: &'static str = "google.rpc";
    const NAME: &'static str = "QuotaFailure";
    const FULL_NAME: &'static str = "google.rpc.QuotaFailure";
    const TYPE_URL: &'static str = "type.googleapis.com/google.rpc.QuotaFailure";
}
impl ::buffa::Message for QuotaFailure {
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
        for v in &self.violations {
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
        for v in &self.violations {
            ::buffa::types::put_len_delimited_header(
                1u32,
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
                let mut elem = ::core::default::Default::default();
                ctx.register_element_memory(
                    ::buffa::__private::element_footprint(&elem),
                )?;
                ::buffa::Message::merge_length_delimited(&mut elem, buf, ctx)?;
                self.violations.push(elem);
            }
            _ => {
                self.__buffa_unknown_fields
                    .push(::buffa::encoding::decode_unknown_field(tag, buf, ctx)?);
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {
        self.violations.clear();
        self.__buffa_unknown_fields.clear();
    }
}
impl ::buffa::ExtensionSet for QuotaFailure {
    const PROTO_FQN: &'static str = "google.rpc.QuotaFailure";
    fn unknown_fields(&self) -> &::buffa::UnknownFields {
        &self.__buffa_unknown_fields
    }
    fn unknown_fields_mut(&mut self) -> &mut ::buffa::UnknownFields {
        &mut self.__buffa_unknown_fields
    }
}
#[cfg(feature = "json")]
impl ::buffa::json_helpers::ProtoElemJson for QuotaFailure {
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
pub const __QUOTA_FAILURE_JSON_ANY: ::buffa::type_registry::JsonAnyEntry = ::buffa::type_registry::JsonAnyEntry {
    type_url: "type.googleapis.com/google.rpc.QuotaFailure",
    to_json: ::buffa::type_registry::any_to_json::<QuotaFailure>,
    from_json: ::buffa::type_registry::any_from_json::<QuotaFailure>,
    is_wkt: false,
};
pub mod quota_failure {
    #[allow(unused_imports)]
    use super::*;
    /// One quota.
    #[derive(Clone, PartialEq, Default)]
    #[cfg_attr(feature = "json", derive(::serde::Serialize, ::serde::Deserialize))]
    #[cfg_attr(feature = "json", serde(default))]
    pub struct Violation {
        /// Whose quota it is: `project:1234`.
        ///
        /// Field 1: `subject`
        #[cfg_attr(
            feature = "json",
            serde(
                rename = "subject",
                with = "::buffa::json_helpers::proto_string",
                skip_serializing_if = "::buffa::json_helpers::skip_if::is_empty_str"
            )
        )]
        pub subject: ::buffa::alloc::string::String,
        /// What the quota is and by how much it was exceeded, for a person.
        ///
        /// Field 2: `description`
        #[cfg_attr(
            feature = "json",
            serde(
                rename = "description",
                with = "::buffa::json_helpers::proto_string",
                skip_serializing_if = "::buffa::json_helpers::skip_if::is_empty_str"
            )
        )]
        pub description: ::buffa::alloc::string::String,
        #[cfg_attr(feature = "json", serde(skip))]
        #[doc(hidden)]
        pub __buffa_unknown_fields: ::buffa::UnknownFields,
    }
    impl ::core::fmt::Debug for Violation {
        fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
            f.debug_struct("Violation")
                .field("subject", &self.subject)
                .field("description", &self.description)
                .finish()
        }
    }
    impl Violation {
        /// Protobuf type URL for this message, for use with `Any::pack` and
        /// `Any::unpack_if`.
        ///
        /// Format: `type.googleapis.com/<fully.qualified.TypeName>`
        pub const TYPE_URL: &'static str = "type.googleapis.com/google.rpc.QuotaFailure.Violation";
    }
    ::buffa::impl_default_instance!(Violation);
    impl ::buffa::MessageName for Violation {
        const PACKAGE: &'static str = "google.rpc";
        const NAME: &'static str = "QuotaFailure.Violation";
        const FULL_NAME: &'static str = "google.rpc.QuotaFailure.Violation";
        const TYPE_URL: &'static str = "type.googleapis.com/google.rpc.QuotaFailure.Violation";
    }
    impl ::buffa::Message for Violation {
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
            if !self.subject.is_empty() {
                size += 1u64 + ::buffa::types::string_encoded_len(&self.subject) as u64;
            }
            if !self.description.is_empty() {
                size
                    += 1u64
                        + ::buffa::types::string_encoded_len(&self.description) as u64;
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
            if !self.subject.is_empty() {
                ::buffa::types::put_string_field(1u32, &self.subject, buf);
            }
            if !self.description.is_empty() {
                ::buffa::types::put_string_field(2u32, &self.description, buf);
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
                    ::buffa::types::merge_string(&mut self.subject, buf)?;
                }
                2u32 => {
                    ::buffa::encoding::check_wire_type(
                        tag,
                        ::buffa::encoding::WireType::LengthDelimited,
                    )?;
                    ::buffa::types::merge_string(&mut self.description, buf)?;
                }
                _ => {
                    self.__buffa_unknown_fields
                        .push(::buffa::encoding::decode_unknown_field(tag, buf, ctx)?);
                }
            }
            ::core::result::Result::Ok(())
        }
        fn clear(&mut self) {
            self.subject.clear();
            self.description.clear();
            self.__buffa_unknown_fields.clear();
        }
    }
    impl ::buffa::ExtensionSet for Violation {
        const PROTO_FQN: &'static str = "google.rpc.QuotaFailure.Violation";
        fn unknown_fields(&self) -> &::buffa::UnknownFields {
            &self.__buffa_unknown_fields
        }
        fn unknown_fields_mut(&mut self) -> &mut ::buffa::UnknownFields {
            &mut self.__buffa_unknown_fields
        }
    }
    #[cfg(feature = "json")]
    impl ::buffa::json_helpers::ProtoElemJson for Violation {
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
    pub const __VIOLATION_JSON_ANY: ::buffa::type_registry::JsonAnyEntry = ::buffa::type_registry::JsonAnyEntry {
        type_url: "type.googleapis.com/google.rpc.QuotaFailure.Violation",
        to_json: ::buffa::type_registry::any_to_json::<Violation>,
        from_json: ::buffa::type_registry::any_from_json::<Violation>,
        is_wkt: false,
    };
}
/// What has to be so before the call can succeed.
#[derive(Clone, PartialEq, Default)]
#[cfg_attr(feature = "json", derive(::serde::Serialize, ::serde::Deserialize))]
#[cfg_attr(feature = "json", serde(default))]
pub struct PreconditionFailure {
    /// Each condition that does not hold.
    ///
    /// Field 1: `violations`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "violations",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_empty_vec",
            deserialize_with = "::buffa::json_helpers::null_as_default"
        )
    )]
    pub violations: ::buffa::alloc::vec::Vec<precondition_failure::Violation>,
    #[cfg_attr(feature = "json", serde(skip))]
    #[doc(hidden)]
    pub __buffa_unknown_fields: ::buffa::UnknownFields,
}
impl ::core::fmt::Debug for PreconditionFailure {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("PreconditionFailure")
            .field("violations", &self.violations)
            .finish()
    }
}
impl PreconditionFailure {
    /// Protobuf type URL for this message, for use with `Any::pack` and
    /// `Any::unpack_if`.
    ///
    /// Format: `type.googleapis.com/<fully.qualified.TypeName>`
    pub const TYPE_URL: &'static str = "type.googleapis.com/google.rpc.PreconditionFailure";
}
::buffa::impl_default_instance!(PreconditionFailure);
impl ::buffa::MessageName for PreconditionFailure {
    const PACKAGE: &'static str = "google.rpc";
    const NAME: &'static str = "PreconditionFailure";
    const FULL_NAME: &'static str = "google.rpc.PreconditionFailure";
    const TYPE_URL: &'static str = "type.googleapis.com/google.rpc.PreconditionFailure";
}
impl ::buffa::Message for PreconditionFailure {
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
        for v in &self.violations {
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
        for v in &self.violations {
            ::buffa::types::put_len_delimited_header(
                1u32,
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
                let mut elem = ::core::default::Default::default();
                ctx.register_element_memory(
                    ::buffa::__private::element_footprint(&elem),
                )?;
                ::buffa::Message::merge_length_delimited(&mut elem, buf, ctx)?;
                self.violations.push(elem);
            }
            _ => {
                self.__buffa_unknown_fields
                    .push(::buffa::encoding::decode_unknown_field(tag, buf, ctx)?);
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {
        self.violations.clear();
        self.__buffa_unknown_fields.clear();
    }
}
impl ::buffa::ExtensionSet for PreconditionFailure {
    const PROTO_FQN: &'static str = "google.rpc.PreconditionFailure";
    fn unknown_fields(&self) -> &::buffa::UnknownFields {
        &self.__buffa_unknown_fields
    }
    fn unknown_fields_mut(&mut self) -> &mut ::buffa::UnknownFields {
        &mut self.__buffa_unknown_fields
    }
}
#[cfg(feature = "json")]
impl ::buffa::json_helpers::ProtoElemJson for PreconditionFailure {
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
pub const __PRECONDITION_FAILURE_JSON_ANY: ::buffa::type_registry::JsonAnyEntry = ::buffa::type_registry::JsonAnyEntry {
    type_url: "type.googleapis.com/google.rpc.PreconditionFailure",
    to_json: ::buffa::type_registry::any_to_json::<PreconditionFailure>,
    from_json: ::buffa::type_registry::any_from_json::<PreconditionFailure>,
    is_wkt: false,
};
pub mod precondition_failure {
    #[allow(unused_imports)]
    use super::*;
    /// One condition.
    #[derive(Clone, PartialEq, Default)]
    #[cfg_attr(feature = "json", derive(::serde::Serialize, ::serde::Deserialize))]
    #[cfg_attr(feature = "json", serde(default))]
    pub struct Violation {
        /// The kind of condition, constant and in capitals: `TERMS_OF_SERVICE`.
        ///
        /// Field 1: `type`
        #[cfg_attr(
            feature = "json",
            serde(
                rename = "type",
                with = "::buffa::json_helpers::proto_string",
                skip_serializing_if = "::buffa::json_helpers::skip_if::is_empty_str"
            )
        )]
        pub r#type: ::buffa::alloc::string::String,
        /// What it is about.
        ///
        /// Field 2: `subject`
        #[cfg_attr(
            feature = "json",
            serde(
                rename = "subject",
                with = "::buffa::json_helpers::proto_string",
                skip_serializing_if = "::buffa::json_helpers::skip_if::is_empty_str"
            )
        )]
        pub subject: ::buffa::alloc::string::String,
        /// What to do about it, for a person.
        ///
        /// Field 3: `description`
        #[cfg_attr(
            feature = "json",
            serde(
                rename = "description",
                with = "::buffa::json_helpers::proto_string",
                skip_serializing_if = "::buffa::json_helpers::skip_if::is_empty_str"
            )
        )]
        pub description: ::buffa::alloc::string::String,
        #[cfg_attr(feature = "json", serde(skip))]
        #[doc(hidden)]
        pub __buffa_unknown_fields: ::buffa::UnknownFields,
    }
    impl ::core::fmt::Debug for Violation {
        fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
            f.debug_struct("Violation")
                .field("type", &self.r#type)
                .field("subject", &self.subject)
                .field("description", &self.description)
                .finish()
        }
    }
    impl Violation {
        /// Protobuf type URL for this message, for use with `Any::pack` and
        /// `Any::unpack_if`.
        ///
        /// Format: `type.googleapis.com/<fully.qualified.TypeName>`
        pub const TYPE_URL: &'static str = "type.googleapis.com/google.rpc.PreconditionFailure.Violation";
    }
    ::buffa::impl_default_instance!(Violation);
    impl ::buffa::MessageName for Violation {
        const PACKAGE: &'static str = "google.rpc";
        const NAME: &'static str = "PreconditionFailure.Violation";
        const FULL_NAME: &'static str = "google.rpc.PreconditionFailure.Violation";
        const TYPE_URL: &'static str = "type.googleapis.com/google.rpc.PreconditionFailure.Violation";
    }
    impl ::buffa::Message for Violation {
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
            if !self.r#type.is_empty() {
                size += 1u64 + ::buffa::types::string_encoded_len(&self.r#type) as u64;
            }
            if !self.subject.is_empty() {
                size += 1u64 + ::buffa::types::string_encoded_len(&self.subject) as u64;
            }
            if !self.description.is_empty() {
                size
                    += 1u64
                        + ::buffa::types::string_encoded_len(&self.description) as u64;
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
            if !self.r#type.is_empty() {
                ::buffa::types::put_string_field(1u32, &self.r#type, buf);
            }
            if !self.subject.is_empty() {
                ::buffa::types::put_string_field(2u32, &self.subject, buf);
            }
            if !self.description.is_empty() {
                ::buffa::types::put_string_field(3u32, &self.description, buf);
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
                    ::buffa::types::merge_string(&mut self.r#type, buf)?;
                }
                2u32 => {
                    ::buffa::encoding::check_wire_type(
                        tag,
                        ::buffa::encoding::WireType::LengthDelimited,
                    )?;
                    ::buffa::types::merge_string(&mut self.subject, buf)?;
                }
                3u32 => {
                    ::buffa::encoding::check_wire_type(
                        tag,
                        ::buffa::encoding::WireType::LengthDelimited,
                    )?;
                    ::buffa::types::merge_string(&mut self.description, buf)?;
                }
                _ => {
                    self.__buffa_unknown_fields
                        .push(::buffa::encoding::decode_unknown_field(tag, buf, ctx)?);
                }
            }
            ::core::result::Result::Ok(())
        }
        fn clear(&mut self) {
            self.r#type.clear();
            self.subject.clear();
            self.description.clear();
            self.__buffa_unknown_fields.clear();
        }
    }
    impl ::buffa::ExtensionSet for Violation {
        const PROTO_FQN: &'static str = "google.rpc.PreconditionFailure.Violation";
        fn unknown_fields(&self) -> &::buffa::UnknownFields {
            &self.__buffa_unknown_fields
        }
        fn unknown_fields_mut(&mut self) -> &mut ::buffa::UnknownFields {
            &mut self.__buffa_unknown_fields
        }
    }
    #[cfg(feature = "json")]
    impl ::buffa::json_helpers::ProtoElemJson for Violation {
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
    pub const __VIOLATION_JSON_ANY: ::buffa::type_registry::JsonAnyEntry = ::buffa::type_registry::JsonAnyEntry {
        type_url: "type.googleapis.com/google.rpc.PreconditionFailure.Violation",
        to_json: ::buffa::type_registry::any_to_json::<Violation>,
        from_json: ::buffa::type_registry::any_from_json::<Violation>,
        is_wkt: false,
    };
}
/// Which fields of the request are wrong.
#[derive(Clone, PartialEq, Default)]
#[cfg_attr(feature = "json", derive(::serde::Serialize, ::serde::Deserialize))]
#[cfg_attr(feature = "json", serde(default))]
pub struct BadRequest {
    /// Each field that is wrong.
    ///
    /// Field 1: `field_violations`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "fieldViolations",
            alias = "field_violations",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_empty_vec",
            deserialize_with = "::buffa::json_helpers::null_as_default"
        )
    )]
    pub field_violations: ::buffa::alloc::vec::Vec<bad_request::FieldViolation>,
    #[cfg_attr(feature = "json", serde(skip))]
    #[doc(hidden)]
    pub __buffa_unknown_fields: ::buffa::UnknownFields,
}
impl ::core::fmt::Debug for BadRequest {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("BadRequest")
            .field("field_violations", &self.field_violations)
            .finish()
    }
}
impl BadRequest {
    /// Protobuf type URL for this message, for use with `Any::pack` and
    /// `Any::unpack_if`.
    ///
    /// Format: `type.googleapis.com/<fully.qualified.TypeName>`
    pub const TYPE_URL: &'static str = "type.googleapis.com/google.rpc.BadRequest";
}
::buffa::impl_default_instance!(BadRequest);
impl ::buffa::MessageName for BadRequest {
    const PACKAGE: &'static str = "google.rpc";
    const NAME: &'static str = "BadRequest";
    const FULL_NAME: &'static str = "google.rpc.BadRequest";
    const TYPE_URL: &'static str = "type.googleapis.com/google.rpc.BadRequest";
}
impl ::buffa::Message for BadRequest {
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
        for v in &self.field_violations {
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
        for v in &self.field_violations {
            ::buffa::types::put_len_delimited_header(
                1u32,
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
                let mut elem = ::core::default::Default::default();
                ctx.register_element_memory(
                    ::buffa::__private::element_footprint(&elem),
                )?;
                ::buffa::Message::merge_length_delimited(&mut elem, buf, ctx)?;
                self.field_violations.push(elem);
            }
            _ => {
                self.__buffa_unknown_fields
                    .push(::buffa::encoding::decode_unknown_field(tag, buf, ctx)?);
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {
        self.field_violations.clear();
        self.__buffa_unknown_fields.clear();
    }
}
impl ::buffa::ExtensionSet for BadRequest {
    const PROTO_FQN: &'static str = "google.rpc.BadRequest";
    fn unknown_fields(&self) -> &::buffa::UnknownFields {
        &self.__buffa_unknown_fields
    }
    fn unknown_fields_mut(&mut self) -> &mut ::buffa::UnknownFields {
        &mut self.__buffa_unknown_fields
    }
}
#[cfg(feature = "json")]
impl ::buffa::json_helpers::ProtoElemJson for BadRequest {
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
pub const __BAD_REQUEST_JSON_ANY: ::buffa::type_registry::JsonAnyEntry = ::buffa::type_registry::JsonAnyEntry {
    type_url: "type.googleapis.com/google.rpc.BadRequest",
    to_json: ::buffa::type_registry::any_to_json::<BadRequest>,
    from_json: ::buffa::type_registry::any_from_json::<BadRequest>,
    is_wkt: false,
};
pub mod bad_request {
    #[allow(unused_imports)]
    use super::*;
    /// One field.
    #[derive(Clone, PartialEq, Default)]
    #[cfg_attr(feature = "json", derive(::serde::Serialize, ::serde::Deserialize))]
    #[cfg_attr(feature = "json", serde(default))]
    pub struct FieldViolation {
        /// The path to it: `user.addresses[2].city`.
        ///
        /// Field 1: `field`
        #[cfg_attr(
            feature = "json",
            serde(
                rename = "field",
                with = "::buffa::json_helpers::proto_string",
                skip_serializing_if = "::buffa::json_helpers::skip_if::is_empty_str"
            )
        )]
        pub field: ::buffa::alloc::string::String,
        /// What is wrong with it, for a person.
        ///
        /// Field 2: `description`
        #[cfg_attr(
            feature = "json",
            serde(
                rename = "description",
                with = "::buffa::json_helpers::proto_string",
                skip_serializing_if = "::buffa::json_helpers::skip_if::is_empty_str"
            )
        )]
        pub description: ::buffa::alloc::string::String,
        /// The same for programs, constant and in capitals: `TOO_LONG`.
        ///
        /// Field 3: `reason`
        #[cfg_attr(
            feature = "json",
            serde(
                rename = "reason",
                with = "::buffa::json_helpers::proto_string",
                skip_serializing_if = "::buffa::json_helpers::skip_if::is_empty_str"
            )
        )]
        pub reason: ::buffa::alloc::string::String,
        /// The description in the language of the user.
        ///
        /// Field 4: `localized_message`
        #[cfg_attr(
            feature = "json",
            serde(
                rename = "localizedMessage",
                alias = "localized_message",
                skip_serializing_if = "::buffa::json_helpers::skip_if::is_unset_message_field"
            )
        )]
        pub localized_message: ::buffa::MessageField<
            super::LocalizedMessage,
            ::buffa::Inline<super::LocalizedMessage>,
        >,
        #[cfg_attr(feature = "json", serde(skip))]
        #[doc(hidden)]
        pub __buffa_unknown_fields: ::buffa::UnknownFields,
    }
    impl ::core::fmt::Debug for FieldViolation {
        fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
            f.debug_struct("FieldViolation")
                .field("field", &self.field)
                .field("description", &self.description)
                .field("reason", &self.reason)
                .field("localized_message", &self.localized_message)
                .finish()
        }
    }
    impl FieldViolation {
        /// Protobuf type URL for this message, for use with `Any::pack` and
        /// `Any::unpack_if`.
        ///
        /// Format: `type.googleapis.com/<fully.qualified.TypeName>`
        pub const TYPE_URL: &'static str = "type.googleapis.com/google.rpc.BadRequest.FieldViolation";
    }
    ::buffa::impl_default_instance!(FieldViolation);
    impl ::buffa::MessageName for FieldViolation {
        const PACKAGE: &'static str = "google.rpc";
        const NAME: &'static str = "BadRequest.FieldViolation";
        const FULL_NAME: &'static str = "google.rpc.BadRequest.FieldViolation";
        const TYPE_URL: &'static str = "type.googleapis.com/google.rpc.BadRequest.FieldViolation";
    }
    impl ::buffa::Message for FieldViolation {
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
            if !self.field.is_empty() {
                size += 1u64 + ::buffa::types::string_encoded_len(&self.field) as u64;
            }
            if !self.description.is_empty() {
                size
                    += 1u64
                        + ::buffa::types::string_encoded_len(&self.description) as u64;
            }
            if !self.reason.is_empty() {
                size += 1u64 + ::buffa::types::string_encoded_len(&self.reason) as u64;
            }
            if self.localized_message.is_set() {
                let __slot = __cache.reserve();
                let inner_size = self.localized_message.compute_size(__cache);
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
            if !self.field.is_empty() {
                ::buffa::types::put_string_field(1u32, &self.field, buf);
            }
            if !self.description.is_empty() {
                ::buffa::types::put_string_field(2u32, &self.description, buf);
            }
            if !self.reason.is_empty() {
                ::buffa::types::put_string_field(3u32, &self.reason, buf);
            }
            if self.localized_message.is_set() {
                ::buffa::types::put_len_delimited_header(
                    4u32,
                    u64::from(__cache.consume_next()),
                    buf,
                );
                self.localized_message.write_to(__cache, buf);
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
                    ::buffa::types::merge_string(&mut self.field, buf)?;
                }
                2u32 => {
                    ::buffa::encoding::check_wire_type(
                        tag,
                        ::buffa::encoding::WireType::LengthDelimited,
                    )?;
                    ::buffa::types::merge_string(&mut self.description, buf)?;
                }
                3u32 => {
                    ::buffa::encoding::check_wire_type(
                        tag,
                        ::buffa::encoding::WireType::LengthDelimited,
                    )?;
                    ::buffa::types::merge_string(&mut self.reason, buf)?;
                }
                4u32 => {
                    ::buffa::encoding::check_wire_type(
                        tag,
                        ::buffa::encoding::WireType::LengthDelimited,
                    )?;
                    ::buffa::Message::merge_length_delimited(
                        self.localized_message.get_or_insert_default(),
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
            self.field.clear();
            self.description.clear();
            self.reason.clear();
            self.localized_message = ::buffa::MessageField::none();
            self.__buffa_unknown_fields.clear();
        }
    }
    impl ::buffa::ExtensionSet for FieldViolation {
        const PROTO_FQN: &'static str = "google.rpc.BadRequest.FieldViolation";
        fn unknown_fields(&self) -> &::buffa::UnknownFields {
            &self.__buffa_unknown_fields
        }
        fn unknown_fields_mut(&mut self) -> &mut ::buffa::UnknownFields {
            &mut self.__buffa_unknown_fields
        }
    }
    #[cfg(feature = "json")]
    impl ::buffa::json_helpers::ProtoElemJson for FieldViolation {
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
    pub const __FIELD_VIOLATION_JSON_ANY: ::buffa::type_registry::JsonAnyEntry = ::buffa::type_registry::JsonAnyEntry {
        type_url: "type.googleapis.com/google.rpc.BadRequest.FieldViolation",
        to_json: ::buffa::type_registry::any_to_json::<FieldViolation>,
        from_json: ::buffa::type_registry::any_from_json::<FieldViolation>,
        is_wkt: false,
    };
}
/// By which the call can be found in the server's log.
#[derive(Clone, PartialEq, Default)]
#[cfg_attr(feature = "json", derive(::serde::Serialize, ::serde::Deserialize))]
#[cfg_attr(feature = "json", serde(default))]
pub struct RequestInfo {
    /// The id of the call there.
    ///
    /// Field 1: `request_id`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "requestId",
            alias = "request_id",
            with = "::buffa::json_helpers::proto_string",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_empty_str"
        )
    )]
    pub request_id: ::buffa::alloc::string::String,
    /// What else the server logs with it, to be handed back in a report.
    ///
    /// Field 2: `serving_data`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "servingData",
            alias = "serving_data",
            with = "::buffa::json_helpers::proto_string",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_empty_str"
        )
    )]
    pub serving_data: ::buffa::alloc::string::String,
    #[cfg_attr(feature = "json", serde(skip))]
    #[doc(hidden)]
    pub __buffa_unknown_fields: ::buffa::UnknownFields,
}
impl ::core::fmt::Debug for RequestInfo {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("RequestInfo")
            .field("request_id", &self.request_id)
            .field("serving_data", &self.serving_data)
            .finish()
    }
}
impl RequestInfo {
    /// Protobuf type URL for this message, for use with `Any::pack` and
    /// `Any::unpack_if`.
    ///
    /// Format: `type.googleapis.com/<fully.qualified.TypeName>`
    pub const TYPE_URL: &'static str = "type.googleapis.com/google.rpc.RequestInfo";
}
::buffa::impl_default_instance!(RequestInfo);
impl ::buffa::MessageName for RequestInfo {
    const PACKAGE: &'static str = "google.rpc";
    const NAME: &'static str = "RequestInfo";
    const FULL_NAME: &'static str = "google.rpc.RequestInfo";
    const TYPE_URL: &'static str = "type.googleapis.com/google.rpc.RequestInfo";
}
impl ::buffa::Message for RequestInfo {
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
        if !self.request_id.is_empty() {
            size += 1u64 + ::buffa::types::string_encoded_len(&self.request_id) as u64;
        }
        if !self.serving_data.is_empty() {
            size += 1u64 + ::buffa::types::string_encoded_len(&self.serving_data) as u64;
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
        if !self.request_id.is_empty() {
            ::buffa::types::put_string_field(1u32, &self.request_id, buf);
        }
        if !self.serving_data.is_empty() {
            ::buffa::types::put_string_field(2u32, &self.serving_data, buf);
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
                ::buffa::types::merge_string(&mut self.request_id, buf)?;
            }
            2u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::LengthDelimited,
                )?;
                ::buffa::types::merge_string(&mut self.serving_data, buf)?;
            }
            _ => {
                self.__buffa_unknown_fields
                    .push(::buffa::encoding::decode_unknown_field(tag, buf, ctx)?);
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {
        self.request_id.clear();
        self.serving_data.clear();
        self.__buffa_unknown_fields.clear();
    }
}
impl ::buffa::ExtensionSet for RequestInfo {
    const PROTO_FQN: &'static str = "google.rpc.RequestInfo";
    fn unknown_fields(&self) -> &::buffa::UnknownFields {
        &self.__buffa_unknown_fields
    }
    fn unknown_fields_mut(&mut self) -> &mut ::buffa::UnknownFields {
        &mut self.__buffa_unknown_fields
    }
}
#[cfg(feature = "json")]
impl ::buffa::json_helpers::ProtoElemJson for RequestInfo {
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
pub const __REQUEST_INFO_JSON_ANY: ::buffa::type_registry::JsonAnyEntry = ::buffa::type_registry::JsonAnyEntry {
    type_url: "type.googleapis.com/google.rpc.RequestInfo",
    to_json: ::buffa::type_registry::any_to_json::<RequestInfo>,
    from_json: ::buffa::type_registry::any_from_json::<RequestInfo>,
    is_wkt: false,
};
/// What the call was about.
#[derive(Clone, PartialEq, Default)]
#[cfg_attr(feature = "json", derive(::serde::Serialize, ::serde::Deserialize))]
#[cfg_attr(feature = "json", serde(default))]
pub struct ResourceInfo {
    /// The type of the resource: `user`.
    ///
    /// Field 1: `resource_type`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "resourceType",
            alias = "resource_type",
            with = "::buffa::json_helpers::proto_string",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_empty_str"
        )
    )]
    pub resource_type: ::buffa::alloc::string::String,
    /// Its name.
    ///
    /// Field 2: `resource_name`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "resourceName",
            alias = "resource_name",
            with = "::buffa::json_helpers::proto_string",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_empty_str"
        )
    )]
    pub resource_name: ::buffa::alloc::string::String,
    /// Who owns it, if that may be told.
    ///
    /// Field 3: `owner`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "owner",
            with = "::buffa::json_helpers::proto_string",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_empty_str"
        )
    )]
    pub owner: ::buffa::alloc::string::String,
    /// What happened to it, for a person.
    ///
    /// Field 4: `description`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "description",
            with = "::buffa::json_helpers::proto_string",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_empty_str"
        )
    )]
    pub description: ::buffa::alloc::string::String,
    #[cfg_attr(feature = "json", serde(skip))]
    #[doc(hidden)]
    pub __buffa_unknown_fields: ::buffa::UnknownFields,
}
impl ::core::fmt::Debug for ResourceInfo {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("ResourceInfo")
            .field("resource_type", &self.resource_type)
            .field("resource_name", &self.resource_name)
            .field("owner", &self.owner)
            .field("description", &self.description)
            .finish()
    }
}
impl ResourceInfo {
    /// Protobuf type URL for this message, for use with `Any::pack` and
    /// `Any::unpack_if`.
    ///
    /// Format: `type.googleapis.com/<fully.qualified.TypeName>`
    pub const TYPE_URL: &'static str = "type.googleapis.com/google.rpc.ResourceInfo";
}
::buffa::impl_default_instance!(ResourceInfo);
impl ::buffa::MessageName for ResourceInfo {
    const PACKAGE: &'static str = "google.rpc";
    const NAME: &'static str = "ResourceInfo";
    const FULL_NAME: &'static str = "google.rpc.ResourceInfo";
    const TYPE_URL: &'static str = "type.googleapis.com/google.rpc.ResourceInfo";
}
impl ::buffa::Message for ResourceInfo {
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
        if !self.resource_type.is_empty() {
            size
                += 1u64 + ::buffa::types::string_encoded_len(&self.resource_type) as u64;
        }
        if !self.resource_name.is_empty() {
            size
                += 1u64 + ::buffa::types::string_encoded_len(&self.resource_name) as u64;
        }
        if !self.owner.is_empty() {
            size += 1u64 + ::buffa::types::string_encoded_len(&self.owner) as u64;
        }
        if !self.description.is_empty() {
            size += 1u64 + ::buffa::types::string_encoded_len(&self.description) as u64;
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
        if !self.resource_type.is_empty() {
            ::buffa::types::put_string_field(1u32, &self.resource_type, buf);
        }
        if !self.resource_name.is_empty() {
            ::buffa::types::put_string_field(2u32, &self.resource_name, buf);
        }
        if !self.owner.is_empty() {
            ::buffa::types::put_string_field(3u32, &self.owner, buf);
        }
        if !self.description.is_empty() {
            ::buffa::types::put_string_field(4u32, &self.description, buf);
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
                ::buffa::types::merge_string(&mut self.resource_type, buf)?;
            }
            2u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::LengthDelimited,
                )?;
                ::buffa::types::merge_string(&mut self.resource_name, buf)?;
            }
            3u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::LengthDelimited,
                )?;
                ::buffa::types::merge_string(&mut self.owner, buf)?;
            }
            4u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::LengthDelimited,
                )?;
                ::buffa::types::merge_string(&mut self.description, buf)?;
            }
            _ => {
                self.__buffa_unknown_fields
                    .push(::buffa::encoding::decode_unknown_field(tag, buf, ctx)?);
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {
        self.resource_type.clear();
        self.resource_name.clear();
        self.owner.clear();
        self.description.clear();
        self.__buffa_unknown_fields.clear();
    }
}
impl ::buffa::ExtensionSet for ResourceInfo {
    const PROTO_FQN: &'static str = "google.rpc.ResourceInfo";
    fn unknown_fields(&self) -> &::buffa::UnknownFields {
        &self.__buffa_unknown_fields
    }
    fn unknown_fields_mut(&mut self) -> &mut ::buffa::UnknownFields {
        &mut self.__buffa_unknown_fields
    }
}
#[cfg(feature = "json")]
impl ::buffa::json_helpers::ProtoElemJson for ResourceInfo {
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
pub const __RESOURCE_INFO_JSON_ANY: ::buffa::type_registry::JsonAnyEntry = ::buffa::type_registry::JsonAnyEntry {
    type_url: "type.googleapis.com/google.rpc.ResourceInfo",
    to_json: ::buffa::type_registry::any_to_json::<ResourceInfo>,
    from_json: ::buffa::type_registry::any_from_json::<ResourceInfo>,
    is_wkt: false,
};
/// Where to read on.
#[derive(Clone, PartialEq, Default)]
#[cfg_attr(feature = "json", derive(::serde::Serialize, ::serde::Deserialize))]
#[cfg_attr(feature = "json", serde(default))]
pub struct Help {
    /// Each place.
    ///
    /// Field 1: `links`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "links",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_empty_vec",
            deserialize_with = "::buffa::json_helpers::null_as_default"
        )
    )]
    pub links: ::buffa::alloc::vec::Vec<help::Link>,
    #[cfg_attr(feature = "json", serde(skip))]
    #[doc(hidden)]
    pub __buffa_unknown_fields: ::buffa::UnknownFields,
}
impl ::core::fmt::Debug for Help {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("Help").field("links", &self.links).finish()
    }
}
impl Help {
    /// Protobuf type URL for this message, for use with `Any::pack` and
    /// `Any::unpack_if`.
    ///
    /// Format: `type.googleapis.com/<fully.qualified.TypeName>`
    pub const TYPE_URL: &'static str = "type.googleapis.com/google.rpc.Help";
}
::buffa::impl_default_instance!(Help);
impl ::buffa::MessageName for Help {
    const PACKAGE: &'static str = "google.rpc";
    const NAME: &'static str = "Help";
    const FULL_NAME: &'static str = "google.rpc.Help";
    const TYPE_URL: &'static str = "type.googleapis.com/google.rpc.Help";
}
impl ::buffa::Message for Help {
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
        for v in &self.links {
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
        for v in &self.links {
            ::buffa::types::put_len_delimited_header(
                1u32,
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
                let mut elem = ::core::default::Default::default();
                ctx.register_element_memory(
                    ::buffa::__private::element_footprint(&elem),
                )?;
                ::buffa::Message::merge_length_delimited(&mut elem, buf, ctx)?;
                self.links.push(elem);
            }
            _ => {
                self.__buffa_unknown_fields
                    .push(::buffa::encoding::decode_unknown_field(tag, buf, ctx)?);
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {
        self.links.clear();
        self.__buffa_unknown_fields.clear();
    }
}
impl ::buffa::ExtensionSet for Help {
    const PROTO_FQN: &'static str = "google.rpc.Help";
    fn unknown_fields(&self) -> &::buffa::UnknownFields {
        &self.__buffa_unknown_fields
    }
    fn unknown_fields_mut(&mut self) -> &mut ::buffa::UnknownFields {
        &mut self.__buffa_unknown_fields
    }
}
#[cfg(feature = "json")]
impl ::buffa::json_helpers::ProtoElemJson for Help {
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
pub const __HELP_JSON_ANY: ::buffa::type_registry::JsonAnyEntry = ::buffa::type_registry::JsonAnyEntry {
    type_url: "type.googleapis.com/google.rpc.Help",
    to_json: ::buffa::type_registry::any_to_json::<Help>,
    from_json: ::buffa::type_registry::any_from_json::<Help>,
    is_wkt: false,
};
pub mod help {
    #[allow(unused_imports)]
    use super::*;
    /// One place.
    #[derive(Clone, PartialEq, Default)]
    #[cfg_attr(feature = "json", derive(::serde::Serialize, ::serde::Deserialize))]
    #[cfg_attr(feature = "json", serde(default))]
    pub struct Link {
        /// What it leads to.
        ///
        /// Field 1: `description`
        #[cfg_attr(
            feature = "json",
            serde(
                rename = "description",
                with = "::buffa::json_helpers::proto_string",
                skip_serializing_if = "::buffa::json_helpers::skip_if::is_empty_str"
            )
        )]
        pub description: ::buffa::alloc::string::String,
        /// Its URL.
        ///
        /// Field 2: `url`
        #[cfg_attr(
            feature = "json",
            serde(
                rename = "url",
                with = "::buffa::json_helpers::proto_string",
                skip_serializing_if = "::buffa::json_helpers::skip_if::is_empty_str"
            )
        )]
        pub url: ::buffa::alloc::string::String,
        #[cfg_attr(feature = "json", serde(skip))]
        #[doc(hidden)]
        pub __buffa_unknown_fields: ::buffa::UnknownFields,
    }
    impl ::core::fmt::Debug for Link {
        fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
            f.debug_struct("Link")
                .field("description", &self.description)
                .field("url", &self.url)
                .finish()
        }
    }
    impl Link {
        /// Protobuf type URL for this message, for use with `Any::pack` and
        /// `Any::unpack_if`.
        ///
        /// Format: `type.googleapis.com/<fully.qualified.TypeName>`
        pub const TYPE_URL: &'static str = "type.googleapis.com/google.rpc.Help.Link";
    }
    ::buffa::impl_default_instance!(Link);
    impl ::buffa::MessageName for Link {
        const PACKAGE: &'static str = "google.rpc";
        const NAME: &'static str = "Help.Link";
        const FULL_NAME: &'static str = "google.rpc.Help.Link";
        const TYPE_URL: &'static str = "type.googleapis.com/google.rpc.Help.Link";
    }
    impl ::buffa::Message for Link {
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
            if !self.description.is_empty() {
                size
                    += 1u64
                        + ::buffa::types::string_encoded_len(&self.description) as u64;
            }
            if !self.url.is_empty() {
                size += 1u64 + ::buffa::types::string_encoded_len(&self.url) as u64;
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
            if !self.description.is_empty() {
                ::buffa::types::put_string_field(1u32, &self.description, buf);
            }
            if !self.url.is_empty() {
                ::buffa::types::put_string_field(2u32, &self.url, buf);
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
                    ::buffa::types::merge_string(&mut self.description, buf)?;
                }
                2u32 => {
                    ::buffa::encoding::check_wire_type(
                        tag,
                        ::buffa::encoding::WireType::LengthDelimited,
                    )?;
                    ::buffa::types::merge_string(&mut self.url, buf)?;
                }
                _ => {
                    self.__buffa_unknown_fields
                        .push(::buffa::encoding::decode_unknown_field(tag, buf, ctx)?);
                }
            }
            ::core::result::Result::Ok(())
        }
        fn clear(&mut self) {
            self.description.clear();
            self.url.clear();
            self.__buffa_unknown_fields.clear();
        }
    }
    impl ::buffa::ExtensionSet for Link {
        const PROTO_FQN: &'static str = "google.rpc.Help.Link";
        fn unknown_fields(&self) -> &::buffa::UnknownFields {
            &self.__buffa_unknown_fields
        }
        fn unknown_fields_mut(&mut self) -> &mut ::buffa::UnknownFields {
            &mut self.__buffa_unknown_fields
        }
    }
    #[cfg(feature = "json")]
    impl ::buffa::json_helpers::ProtoElemJson for Link {
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
    pub const __LINK_JSON_ANY: ::buffa::type_registry::JsonAnyEntry = ::buffa::type_registry::JsonAnyEntry {
        type_url: "type.googleapis.com/google.rpc.Help.Link",
        to_json: ::buffa::type_registry::any_to_json::<Link>,
        from_json: ::buffa::type_registry::any_from_json::<Link>,
        is_wkt: false,
    };
}
/// A text that a user may see.
#[derive(Clone, PartialEq, Default)]
#[cfg_attr(feature = "json", derive(::serde::Serialize, ::serde::Deserialize))]
#[cfg_attr(feature = "json", serde(default))]
pub struct LocalizedMessage {
    /// Its language, as of BCP 47: `en-US`, `zh-CN`.
    ///
    /// Field 1: `locale`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "locale",
            with = "::buffa::json_helpers::proto_string",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_empty_str"
        )
    )]
    pub locale: ::buffa::alloc::string::String,
    /// The text.
    ///
    /// Field 2: `message`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "message",
            with = "::buffa::json_helpers::proto_string",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_empty_str"
        )
    )]
    pub message: ::buffa::alloc::string::String,
    #[cfg_attr(feature = "json", serde(skip))]
    #[doc(hidden)]
    pub __buffa_unknown_fields: ::buffa::UnknownFields,
}
impl ::core::fmt::Debug for LocalizedMessage {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("LocalizedMessage")
            .field("locale", &self.locale)
            .field("message", &self.message)
            .finish()
    }
}
impl LocalizedMessage {
    /// Protobuf type URL for this message, for use with `Any::pack` and
    /// `Any::unpack_if`.
    ///
    /// Format: `type.googleapis.com/<fully.qualified.TypeName>`
    pub const TYPE_URL: &'static str = "type.googleapis.com/google.rpc.LocalizedMessage";
}
::buffa::impl_default_instance!(LocalizedMessage);
impl ::buffa::MessageName for LocalizedMessage {
    const PACKAGE: &'static str = "google.rpc";
    const NAME: &'static str = "LocalizedMessage";
    const FULL_NAME: &'static str = "google.rpc.LocalizedMessage";
    const TYPE_URL: &'static str = "type.googleapis.com/google.rpc.LocalizedMessage";
}
impl ::buffa::Message for LocalizedMessage {
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
        if !self.locale.is_empty() {
            size += 1u64 + ::buffa::types::string_encoded_len(&self.locale) as u64;
        }
        if !self.message.is_empty() {
            size += 1u64 + ::buffa::types::string_encoded_len(&self.message) as u64;
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
        if !self.locale.is_empty() {
            ::buffa::types::put_string_field(1u32, &self.locale, buf);
        }
        if !self.message.is_empty() {
            ::buffa::types::put_string_field(2u32, &self.message, buf);
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
                ::buffa::types::merge_string(&mut self.locale, buf)?;
            }
            2u32 => {
                ::buffa::encoding::check_wire_type(
                    tag,
                    ::buffa::encoding::WireType::LengthDelimited,
                )?;
                ::buffa::types::merge_string(&mut self.message, buf)?;
            }
            _ => {
                self.__buffa_unknown_fields
                    .push(::buffa::encoding::decode_unknown_field(tag, buf, ctx)?);
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {
        self.locale.clear();
        self.message.clear();
        self.__buffa_unknown_fields.clear();
    }
}
impl ::buffa::ExtensionSet for LocalizedMessage {
    const PROTO_FQN: &'static str = "google.rpc.LocalizedMessage";
    fn unknown_fields(&self) -> &::buffa::UnknownFields {
        &self.__buffa_unknown_fields
    }
    fn unknown_fields_mut(&mut self) -> &mut ::buffa::UnknownFields {
        &mut self.__buffa_unknown_fields
    }
}
#[cfg(feature = "json")]
impl ::buffa::json_helpers::ProtoElemJson for LocalizedMessage {
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
pub const __LOCALIZED_MESSAGE_JSON_ANY: ::buffa::type_registry::JsonAnyEntry = ::buffa::type_registry::JsonAnyEntry {
    type_url: "type.googleapis.com/google.rpc.LocalizedMessage",
    to_json: ::buffa::type_registry::any_to_json::<LocalizedMessage>,
    from_json: ::buffa::type_registry::any_from_json::<LocalizedMessage>,
    is_wkt: false,
};
