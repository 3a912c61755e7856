// Made from grpc/health/v1/health.proto by a test of mprpc-build, which says when it is out of date.

/// The question: how is this service?
#[derive(Clone, PartialEq, Default)]
#[cfg_attr(feature = "json", derive(::serde::Serialize, ::serde::Deserialize))]
#[cfg_attr(feature = "json", serde(default))]
pub struct HealthCheckRequest {
    /// The full name of the service, `shop.v1.Cart`. The empty name stands for the whole server.
    ///
    /// Field 1: `service`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "service",
            with = "::buffa::json_helpers::proto_string",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_empty_str"
        )
    )]
    pub service: ::buffa::alloc::string::String,
    #[cfg_attr(feature = "json", serde(skip))]
    #[doc(hidden)]
    pub __buffa_unknown_fields: ::buffa::UnknownFields,
}
impl ::core::fmt::Debug for HealthCheckRequest {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("HealthCheckRequest").field("service", &self.service).finish()
    }
}
impl HealthCheckRequest {
    /// Protobuf type URL for this message, for use with `Any::pack` and
    /// `Any::unpack_if`.
    ///
    /// Format: `type.googleapis.com/<fully.qualified.TypeName>`
    pub const TYPE_URL: &'static str = "type.googleapis.com/grpc.health.v1.HealthCheckRequest";
}
::buffa::impl_default_instance!(HealthCheckRequest);
impl ::buffa::MessageName for HealthCheckRequest {
    const PACKAGE: &'static str = "grpc.health.v1";
    const NAME: &'static str = "HealthCheckRequest";
    const FULL_NAME: &'static str = "grpc.health.v1.HealthCheckRequest";
    const TYPE_URL: &'static str = "type.googleapis.com/grpc.health.v1.HealthCheckRequest";
}
impl ::buffa::Message for HealthCheckRequest {
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
        if !self.service.is_empty() {
            size += 1u64 + ::buffa::types::string_encoded_len(&self.service) as u64;
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
        if !self.service.is_empty() {
            ::buffa::types::put_string_field(1u32, &self.service, buf);
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
                ::buffa::types::merge_string(&mut self.service, buf)?;
            }
            _ => {
                self.__buffa_unknown_fields
                    .push(::buffa::encoding::decode_unknown_field(tag, buf, ctx)?);
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {
        self.service.clear();
        self.__buffa_unknown_fields.clear();
    }
}
impl ::buffa::ExtensionSet for HealthCheckRequest {
    const PROTO_FQN: &'static str = "grpc.health.v1.HealthCheckRequest";
    fn unknown_fields(&self) -> &::buffa::UnknownFields {
        &self.__buffa_unknown_fields
    }
    fn unknown_fields_mut(&mut self) -> &mut ::buffa::UnknownFields {
        &mut self.__buffa_unknown_fields
    }
}
#[cfg(feature = "json")]
impl ::buffa::json_helpers::ProtoElemJson for HealthCheckRequest {
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
pub const __HEALTH_CHECK_REQUEST_JSON_ANY: ::buffa::type_registry::JsonAnyEntry = ::buffa::type_registry::JsonAnyEntry {
    type_url: "type.googleapis.com/grpc.health.v1.HealthCheckRequest",
    to_json: ::buffa::type_registry::any_to_json::<HealthCheckRequest>,
    from_json: ::buffa::type_registry::any_from_json::<HealthCheckRequest>,
    is_wkt: false,
};
/// The answer of `Check` and `Watch`.
#[derive(Clone, PartialEq, Default)]
#[cfg_attr(feature = "json", derive(::serde::Serialize, ::serde::Deserialize))]
#[cfg_attr(feature = "json", serde(default))]
pub struct HealthCheckResponse {
    /// The state of the service.
    ///
    /// Field 1: `status`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "status",
            with = "::buffa::json_helpers::proto_enum",
            skip_serializing_if = "::buffa::json_helpers::skip_if::is_default_enum_value"
        )
    )]
    pub status: ::buffa::EnumValue<health_check_response::ServingStatus>,
    #[cfg_attr(feature = "json", serde(skip))]
    #[doc(hidden)]
    pub __buffa_unknown_fields: ::buffa::UnknownFields,
}
impl ::core::fmt::Debug for HealthCheckResponse {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("HealthCheckResponse").field("status", &self.status).finish()
    }
}
impl HealthCheckResponse {
    /// Protobuf type URL for this message, for use with `Any::pack` and
    /// `Any::unpack_if`.
    ///
    /// Format: `type.googleapis.com/<fully.qualified.TypeName>`
    pub const TYPE_URL: &'static str = "type.googleapis.com/grpc.health.v1.HealthCheckResponse";
}
::buffa::impl_default_instance!(HealthCheckResponse);
impl ::buffa::MessageName for HealthCheckResponse {
    const PACKAGE: &'static str = "grpc.health.v1";
    const NAME: &'static str = "HealthCheckResponse";
    const FULL_NAME: &'static str = "grpc.health.v1.HealthCheckResponse";
    const TYPE_URL: &'static str = "type.googleapis.com/grpc.health.v1.HealthCheckResponse";
}
impl ::buffa::Message for HealthCheckResponse {
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
            let val = self.status.to_i32();
            if val != 0 {
                size += 1u64 + ::buffa::types::int32_encoded_len(val) as u64;
            }
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
        {
            let val = self.status.to_i32();
            if val != 0 {
                ::buffa::types::put_int32_field(1u32, val, buf);
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
                    ::buffa::encoding::WireType::Varint,
                )?;
                self.status = ::buffa::EnumValue::from(
                    ::buffa::types::decode_int32(buf)?,
                );
            }
            _ => {
                self.__buffa_unknown_fields
                    .push(::buffa::encoding::decode_unknown_field(tag, buf, ctx)?);
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {
        self.status = ::buffa::EnumValue::from(0);
        self.__buffa_unknown_fields.clear();
    }
}
impl ::buffa::ExtensionSet for HealthCheckResponse {
    const PROTO_FQN: &'static str = "grpc.health.v1.HealthCheckResponse";
    fn unknown_fields(&self) -> &::buffa::UnknownFields {
        &self.__buffa_unknown_fields
    }
    fn unknown_fields_mut(&mut self) -> &mut ::buffa::UnknownFields {
        &mut self.__buffa_unknown_fields
    }
}
#[cfg(feature = "json")]
impl ::buffa::json_helpers::ProtoElemJson for HealthCheckResponse {
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
pub const __HEALTH_CHECK_RESPONSE_JSON_ANY: ::buffa::type_registry::JsonAnyEntry = ::buffa::type_registry::JsonAnyEntry {
    type_url: "type.googleapis.com/grpc.health.v1.HealthCheckResponse",
    to_json: ::buffa::type_registry::any_to_json::<HealthCheckResponse>,
    from_json: ::buffa::type_registry::any_from_json::<HealthCheckResponse>,
    is_wkt: false,
};
pub mod health_check_response {
    #[allow(unused_imports)]
    use super::*;
    /// Whether the service answers calls.
    #[allow(non_camel_case_types)]
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
    #[repr(i32)]
    pub enum ServingStatus {
        /// Never sent: the value of a message that was not filled in.
        UNKNOWN = 0i32,
        /// Calls are welcome.
        SERVING = 1i32,
        /// Calls should go elsewhere.
        NOT_SERVING = 2i32,
        /// The server has no such service now. Only `Watch` sends this value, as the service may come later.
        SERVICE_UNKNOWN = 3i32,
    }
    impl ServingStatus {
        ///Idiomatic alias for [`Self::UNKNOWN`]; `Debug` prints the variant name.
        #[allow(non_upper_case_globals)]
        pub const Unknown: Self = Self::UNKNOWN;
        ///Idiomatic alias for [`Self::SERVING`]; `Debug` prints the variant name.
        #[allow(non_upper_case_globals)]
        pub const Serving: Self = Self::SERVING;
        ///Idiomatic alias for [`Self::NOT_SERVING`]; `Debug` prints the variant name.
        #[allow(non_upper_case_globals)]
        pub const NotServing: Self = Self::NOT_SERVING;
        ///Idiomatic alias for [`Self::SERVICE_UNKNOWN`]; `Debug` prints the variant name.
        #[allow(non_upper_case_globals)]
        pub const ServiceUnknown: Self = Self::SERVICE_UNKNOWN;
    }
    impl ::core::default::Default for ServingStatus {
        fn default() -> Self {
            Self::UNKNOWN
        }
    }
    #[cfg(feature = "json")]
    const _: () = {
        impl ::serde::Serialize for ServingStatus {
            fn serialize<S: ::serde::Serializer>(
                &self,
                s: S,
            ) -> ::core::result::Result<S::Ok, S::Error> {
                s.serialize_str(::buffa::Enumeration::proto_name(self))
            }
        }
        impl<'de> ::serde::Deserialize<'de> for ServingStatus {
            fn deserialize<D: ::serde::Deserializer<'de>>(
                d: D,
            ) -> ::core::result::Result<Self, D::Error> {
                struct _V;
                impl ::serde::de::Visitor<'_> for _V {
                    type Value = ServingStatus;
                    fn expecting(
                        &self,
                        f: &mut ::core::fmt::Formatter<'_>,
                    ) -> ::core::fmt::Result {
                        f.write_str(
                            concat!(
                                "a string, integer, or null for ", stringify!(ServingStatus)
                            ),
                        )
                    }
                    fn visit_str<E: ::serde::de::Error>(
                        self,
                        v: &str,
                    ) -> ::core::result::Result<ServingStatus, E> {
                        <ServingStatus as ::buffa::Enumeration>::from_proto_name(v)
                            .ok_or_else(|| {
                                ::serde::de::Error::unknown_variant(v, &[])
                            })
                    }
                    fn visit_i64<E: ::serde::de::Error>(
                        self,
                        v: i64,
                    ) -> ::core::result::Result<ServingStatus, E> {
                        let v32 = i32::try_from(v)
                            .map_err(|_| {
                                ::serde::de::Error::custom(
                                    ::buffa::alloc::format!("enum value {v} out of i32 range"),
                                )
                            })?;
                        <ServingStatus as ::buffa::Enumeration>::from_i32(v32)
                            .ok_or_else(|| {
                                ::serde::de::Error::custom(
                                    ::buffa::alloc::format!("unknown enum value {v32}"),
                                )
                            })
                    }
                    fn visit_u64<E: ::serde::de::Error>(
                        self,
                        v: u64,
                    ) -> ::core::result::Result<ServingStatus, E> {
                        let v32 = i32::try_from(v)
                            .map_err(|_| {
                                ::serde::de::Error::custom(
                                    ::buffa::alloc::format!("enum value {v} out of i32 range"),
                                )
                            })?;
                        <ServingStatus as ::buffa::Enumeration>::from_i32(v32)
                            .ok_or_else(|| {
                                ::serde::de::Error::custom(
                                    ::buffa::alloc::format!("unknown enum value {v32}"),
                                )
                            })
                    }
                    fn visit_unit<E: ::serde::de::Error>(
                        self,
                    ) -> ::core::result::Result<ServingStatus, E> {
                        ::core::result::Result::Ok(::core::default::Default::default())
                    }
                }
                d.deserialize_any(_V)
            }
        }
        impl ::buffa::json_helpers::ProtoElemJson for ServingStatus {
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
    impl ::buffa::Enumeration for ServingStatus {
        fn from_i32(value: i32) -> ::core::option::Option<Self> {
            match value {
                0i32 => ::core::option::Option::Some(Self::UNKNOWN),
                1i32 => ::core::option::Option::Some(Self::SERVING),
                2i32 => ::core::option::Option::Some(Self::NOT_SERVING),
                3i32 => ::core::option::Option::Some(Self::SERVICE_UNKNOWN),
                _ => ::core::option::Option::None,
            }
        }
        fn to_i32(&self) -> i32 {
            *self as i32
        }
        fn proto_name(&self) -> &'static str {
            match self {
                Self::UNKNOWN => "UNKNOWN",
                Self::SERVING => "SERVING",
                Self::NOT_SERVING => "NOT_SERVING",
                Self::SERVICE_UNKNOWN => "SERVICE_UNKNOWN",
            }
        }
        fn from_proto_name(name: &str) -> ::core::option::Option<Self> {
            match name {
                "UNKNOWN" => ::core::option::Option::Some(Self::UNKNOWN),
                "SERVING" => ::core::option::Option::Some(Self::SERVING),
                "NOT_SERVING" => ::core::option::Option::Some(Self::NOT_SERVING),
                "SERVICE_UNKNOWN" => ::core::option::Option::Some(Self::SERVICE_UNKNOWN),
                _ => ::core::option::Option::None,
            }
        }
        fn values() -> &'static [Self] {
            &[Self::UNKNOWN, Self::SERVING, Self::NOT_SERVING, Self::SERVICE_UNKNOWN]
        }
    }
}
/// The question: how are all services?
#[derive(Clone, PartialEq, Default)]
#[cfg_attr(feature = "json", derive(::serde::Serialize, ::serde::Deserialize))]
#[cfg_attr(feature = "json", serde(default))]
pub struct HealthListRequest {
    #[cfg_attr(feature = "json", serde(skip))]
    #[doc(hidden)]
    pub __buffa_unknown_fields: ::buffa::UnknownFields,
}
impl ::core::fmt::Debug for HealthListRequest {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("HealthListRequest").finish()
    }
}
impl HealthListRequest {
    /// Protobuf type URL for this message, for use with `Any::pack` and
    /// `Any::unpack_if`.
    ///
    /// Format: `type.googleapis.com/<fully.qualified.TypeName>`
    pub const TYPE_URL: &'static str = "type.googleapis.com/grpc.health.v1.HealthListRequest";
}
::buffa::impl_default_instance!(HealthListRequest);
impl ::buffa::MessageName for HealthListRequest {
    const PACKAGE: &'static str = "grpc.health.v1";
    const NAME: &'static str = "HealthListRequest";
    const FULL_NAME: &'static str = "grpc.health.v1.HealthListRequest";
    const TYPE_URL: &'static str = "type.googleapis.com/grpc.health.v1.HealthListRequest";
}
impl ::buffa::Message for HealthListRequest {
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
            _ => {
                self.__buffa_unknown_fields
                    .push(::buffa::encoding::decode_unknown_field(tag, buf, ctx)?);
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {
        self.__buffa_unknown_fields.clear();
    }
}
impl ::buffa::ExtensionSet for HealthListRequest {
    const PROTO_FQN: &'static str = "grpc.health.v1.HealthListRequest";
    fn unknown_fields(&self) -> &::buffa::UnknownFields {
        &self.__buffa_unknown_fields
    }
    fn unknown_fields_mut(&mut self) -> &mut ::buffa::UnknownFields {
        &mut self.__buffa_unknown_fields
    }
}
#[cfg(feature = "json")]
impl ::buffa::json_helpers::ProtoElemJson for HealthListRequest {
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
pub const __HEALTH_LIST_REQUEST_JSON_ANY: ::buffa::type_registry::JsonAnyEntry = ::buffa::type_registry::JsonAnyEntry {
    type_url: "type.googleapis.com/grpc.health.v1.HealthListRequest",
    to_json: ::buffa::type_registry::any_to_json::<HealthListRequest>,
    from_json: ::buffa::type_registry::any_from_json::<HealthListRequest>,
    is_wkt: false,
};
/// The answer of `List`.
#[derive(Clone, PartialEq, Default)]
#[cfg_attr(feature = "json", derive(::serde::Serialize, ::serde::Deserialize))]
#[cfg_attr(feature = "json", serde(default))]
pub struct HealthListResponse {
    /// The state of each service, by its full name. The whole server has the empty name.
    ///
    /// Field 1: `statuses`
    #[cfg_attr(
        feature = "json",
        serde(
            rename = "statuses",
            skip_serializing_if = "::buffa::__private::HashMap::is_empty",
            deserialize_with = "::buffa::json_helpers::null_as_default"
        )
    )]
    pub statuses: ::buffa::__private::HashMap<
        ::buffa::alloc::string::String,
        HealthCheckResponse,
    >,
    #[cfg_attr(feature = "json", serde(skip))]
    #[doc(hidden)]
    pub __buffa_unknown_fields: ::buffa::UnknownFields,
}
impl ::core::fmt::Debug for HealthListResponse {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("HealthListResponse").field("statuses", &self.statuses).finish()
    }
}
impl HealthListResponse {
    /// Protobuf type URL for this message, for use with `Any::pack` and
    /// `Any::unpack_if`.
    ///
    /// Format: `type.googleapis.com/<fully.qualified.TypeName>`
    pub const TYPE_URL: &'static str = "type.googleapis.com/grpc.health.v1.HealthListResponse";
}
::buffa::impl_default_instance!(HealthListResponse);
impl ::buffa::MessageName for HealthListResponse {
    const PACKAGE: &'static str = "grpc.health.v1";
    const NAME: &'static str = "HealthListResponse";
    const FULL_NAME: &'static str = "grpc.health.v1.HealthListResponse";
    const TYPE_URL: &'static str = "type.googleapis.com/grpc.health.v1.HealthListResponse";
}
impl ::buffa::Message for HealthListResponse {
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
        size
            += ::buffa::map_codec::message_field_len::<
                ::buffa::map_codec::Str,
                _,
                _,
            >(&self.statuses, 1u64, __cache);
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
        ::buffa::map_codec::write_message_field::<
            ::buffa::map_codec::Str,
            _,
            _,
        >(&self.statuses, 1u32, __cache, buf);
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
                ::buffa::map_codec::merge_entry::<
                    ::buffa::map_codec::Str,
                    ::buffa::map_codec::Msg<_>,
                    _,
                >(&mut self.statuses, buf, ctx)?;
            }
            _ => {
                self.__buffa_unknown_fields
                    .push(::buffa::encoding::decode_unknown_field(tag, buf, ctx)?);
            }
        }
        ::core::result::Result::Ok(())
    }
    fn clear(&mut self) {
        self.statuses.clear();
        self.__buffa_unknown_fields.clear();
    }
}
impl ::buffa::ExtensionSet for HealthListResponse {
    const PROTO_FQN: &'static str = "grpc.health.v1.HealthListResponse";
    fn unknown_fields(&self) -> &::buffa::UnknownFields {
        &self.__buffa_unknown_fields
    }
    fn unknown_fields_mut(&mut self) -> &mut ::buffa::UnknownFields {
        &mut self.__buffa_unknown_fields
    }
}
#[cfg(feature = "json")]
impl ::buffa::json_helpers::ProtoElemJson for HealthListResponse {
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
pub const __HEALTH_LIST_RESPONSE_JSON_ANY: ::buffa::type_registry::JsonAnyEntry = ::buffa::type_registry::JsonAnyEntry {
    type_url: "type.googleapis.com/grpc.health.v1.HealthListResponse",
    to_json: ::buffa::type_registry::any_to_json::<HealthListResponse>,
    from_json: ::buffa::type_registry::any_from_json::<HealthListResponse>,
    is_wkt: false,
};
