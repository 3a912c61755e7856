//! Generates the code of a service: its descriptor, the trait that a provider implements, the server that wraps the
//! provider, and the client with its trait. Not messages.

use std::collections::HashSet;

use buffa_codegen::context::CodeGenContext;
use buffa_codegen::generated::descriptor::method_options::IdempotencyLevel;
use buffa_codegen::generated::descriptor::{FileDescriptorProto, MethodDescriptorProto, ServiceDescriptorProto};
use buffa_codegen::idents::{make_field_ident, rust_path_to_tokens};
use heck::{ToShoutySnakeCase, ToSnakeCase};
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use crate::comments::{self, METHOD, OPTIONS, SERVICE};
use crate::error::Error;
use crate::http::{self, HttpRule};
use crate::options;
use crate::paths::Door;
use crate::source::Source;

/// Generates the code of all services of a file.
pub(crate) fn generate(
    source: &Source,
    file: &FileDescriptorProto,
    context: &CodeGenContext<'_>,
    door: &Door,
    json: bool,
    descriptors: bool,
) -> Result<TokenStream, Error> {
    let mut code = TokenStream::new();
    for (index, descriptor) in file.service.iter().enumerate() {
        let service = Service::new(source, file, index as i32, descriptor, context, door)?;
        code.extend([service.descriptor(descriptors), service.handler(), service.server(json), service.client()]);
    }
    Ok(code)
}

/// Generates the static that holds the descriptors of a package, which all services of the package share.
pub(crate) fn files(name: &str) -> TokenStream {
    quote!(
        static __MPRPC_FILES: &[u8] = include_bytes!(#name);
    )
}

struct Service<'a> {
    door: &'a Door,
    /// `fixbug.UserServiceRpc`.
    full_name: String,
    /// `UserServiceRpc`, `UserServiceRpcServer`, `UserServiceRpcClient`, `UserServiceRpcCalls`.
    name: Ident,
    server: Ident,
    client: Ident,
    calls: Ident,
    /// `USER_SERVICE_RPC`.
    constant: Ident,
    doc: TokenStream,
    deprecated: TokenStream,
    methods: Vec<Method>,
}

struct Method {
    /// `Login`.
    name: String,
    /// `login`.
    ident: Ident,
    doc: TokenStream,
    deprecated: TokenStream,
    request: TokenStream,
    request_view: TokenStream,
    reply: TokenStream,
    streams: Streams,
    idempotency: TokenStream,
    placement: Option<Ident>,
    http: Vec<HttpRule>,
}

/// The sides that send a stream.
struct Streams {
    requests: bool,
    replies: bool,
}

impl<'a> Service<'a> {
    fn new(
        source: &Source,
        file: &FileDescriptorProto,
        index: i32,
        descriptor: &ServiceDescriptorProto,
        context: &CodeGenContext<'_>,
        door: &'a Door,
    ) -> Result<Service<'a>, Error> {
        let package = file.package.as_deref().unwrap_or_default();
        let name = descriptor.name.as_deref().unwrap_or_default();
        let full_name = if package.is_empty() { name.to_owned() } else { format!("{package}.{name}") };
        let mut service = Service {
            door,
            doc: comments::doc(file, &[SERVICE, index], &format!(" The service `{full_name}`.")),
            name: make_field_ident(name),
            server: format_ident!("{name}Server"),
            client: format_ident!("{name}Client"),
            calls: format_ident!("{name}Calls"),
            constant: make_field_ident(&nonempty(name.to_shouty_snake_case())),
            deprecated: deprecated(descriptor.options.deprecated),
            methods: Vec::with_capacity(descriptor.method.len()),
            full_name,
        };
        service.check_names(source, file, index, context, package)?;
        // `new` creates a client, so no method may have that name.
        let mut taken = HashSet::from(["new".to_owned()]);
        for (number, method) in descriptor.method.iter().enumerate() {
            let path = [SERVICE, index, METHOD, number as i32];
            let http = http::rules(source, method)
                .map_err(|error| source.error(file, &[&path[..], &[OPTIONS, options::HTTP]].concat(), error))?;
            let method = Method::new(file, &path, method, context, &mut taken)
                .map_err(|error| source.error(file, &path, error))?;
            service.methods.push(Method { http, ..method });
        }
        Ok(service)
    }

    /// Refuses a message with the name of a generated item. rustc would report the collision too, but without its origin.
    fn check_names(
        &self,
        source: &Source,
        file: &FileDescriptorProto,
        index: i32,
        context: &CodeGenContext<'_>,
        package: &str,
    ) -> Result<(), Error> {
        let is_message = |name: &str| {
            let full_name = if package.is_empty() { format!(".{name}") } else { format!(".{package}.{name}") };
            context.rust_type(&full_name).is_some()
        };
        let is_service = |name: &str| file.service.iter().any(|service| service.name.as_deref() == Some(name));
        let refuse = |message: String| Err(source.error(file, &[SERVICE, index, 1], message));
        for name in [&self.server, &self.client, &self.calls].map(Ident::to_string) {
            if is_message(&name) || is_service(&name) {
                return refuse(format!("service `{}` generates `{name}`, and that name is taken", self.name));
            }
        }
        let name = self.name.to_string();
        for message in ["OwnedView", "View"].iter().filter_map(|suffix| name.strip_suffix(suffix)) {
            if is_message(message) {
                return refuse(format!("message `{message}` generates `{name}`, which is the name of this service"));
            }
        }
        Ok(())
    }

    fn descriptor(&self, descriptors: bool) -> TokenStream {
        let Service { door, full_name, constant, .. } = self;
        let doc = format!(" What is known of the service `{full_name}` at compile time.");
        let methods = self.methods.iter().map(|method| {
            let Method { name, idempotency, placement, http, .. } = method;
            let path = format!("{full_name}/{name}");
            let placement = placement.as_ref().map(|placement| quote!(.placed(#door::Placement::#placement)));
            let rules = http.iter().map(|rule| rule_tokens(door, rule));
            let http = (!http.is_empty()).then(|| quote!(.bound(&[#(#rules),*])));
            let kind = method.streams.kind();
            quote! {
                #door::MethodDescriptor::new(
                    #name,
                    #path,
                    #door::MethodKind::#kind,
                    #door::Idempotency::#idempotency,
                )#placement #http
            }
        });
        let files = if descriptors { quote!(__MPRPC_FILES) } else { quote!(&[]) };
        quote! {
            #[doc = #doc]
            pub static #constant: #door::ServiceDescriptor =
                #door::ServiceDescriptor { name: #full_name, methods: &[#(#methods),*], files: #files };
        }
    }

    fn handler(&self) -> TokenStream {
        let Service { door, name, doc, .. } = self;
        let methods = self.methods.iter().map(|method| {
            let Method { ident, doc, request, request_view, reply, streams, .. } = method;
            let request = match streams.requests {
                true => quote!(requests: #door::Streaming<#request>),
                false => quote!(request: #request_view<'_>),
            };
            let reply = streams.reply(door, reply);
            quote! {
                #doc
                fn #ident(&self, cx: &#door::Context, #request)
                    -> impl ::core::future::Future<Output = ::core::result::Result<#reply, #door::Status>>
                        + ::core::marker::Send;
            }
        });
        quote! {
            #doc
            pub trait #name: ::core::marker::Send + ::core::marker::Sync + 'static {
                #(#methods)*
            }
        }
    }

    fn server(&self, json: bool) -> TokenStream {
        let Service { door, full_name, name, server, constant, .. } = self;
        let doc = format!(" Serves an implementation of [`{name}`] as the service `{full_name}`.");
        let arms = self.methods.iter().enumerate().map(|(index, method)| {
            let Method { ident, request, request_view, streams, .. } = method;
            let (decode_one, decode_all, encode_one, encode_all) = match json {
                true => ("request_json", "requests_json", "reply_json", "replies_json"),
                false => ("request", "requests", "reply", "replies"),
            };
            let decode = format_ident!("{}", if streams.requests { decode_all } else { decode_one });
            let encode = format_ident!("{}", if streams.replies { encode_all } else { encode_one });
            let decode = match streams.requests {
                true => quote!(let request = #door::#decode::<#request>(request, codec)?;),
                false => {
                    let generics = if json { quote!(::<#request>) } else { TokenStream::new() };
                    quote! {
                        let request = #door::#decode #generics(request, codec)?;
                        let request = #door::view::<#request_view<'_>>(&request)?;
                    }
                }
            };
            let encode = match streams.replies {
                true => quote!(#door::#encode(reply, codec)),
                false => quote!(#door::#encode(&reply, codec)),
            };
            quote! {
                #index => ::std::boxed::Box::pin(async move {
                    #decode
                    let reply = <T as #name>::#ident(&handler, &context, request).await?;
                    #encode
                }),
            }
        });
        quote! {
            #[doc = #doc]
            pub struct #server<T>(::std::sync::Arc<T>);

            impl<T: #name> #server<T> {
                /// Wraps the implementation.
                pub fn new(handler: T) -> Self {
                    Self(::std::sync::Arc::new(handler))
                }
            }

            impl<T: #name> ::core::convert::From<::std::sync::Arc<T>> for #server<T> {
                fn from(handler: ::std::sync::Arc<T>) -> Self {
                    Self(handler)
                }
            }

            impl<T> ::core::clone::Clone for #server<T> {
                fn clone(&self) -> Self {
                    Self(::std::sync::Arc::clone(&self.0))
                }
            }

            impl<T: #name> #door::Service for #server<T> {
                fn descriptor(&self) -> &'static #door::ServiceDescriptor {
                    &#constant
                }

                fn call(
                    &self,
                    method: usize,
                    context: #door::Context,
                    request: #door::Body,
                    codec: #door::Codec,
                ) -> #door::BoxFuture<::core::result::Result<#door::Body, #door::Status>> {
                    let handler = ::std::sync::Arc::clone(&self.0);
                    match method {
                        #(#arms)*
                        _ => #door::unimplemented(&#constant, method),
                    }
                }
            }
        }
    }

    fn client(&self) -> TokenStream {
        let Service { door, full_name, client, calls, constant, deprecated, .. } = self;
        let client_doc = format!(" Calls the service `{full_name}` over a channel. Clones share it.");
        let calls_doc =
            format!(" The calls of `{full_name}`, for a fake in the place of [`{client}`]: answer with `Call::ready`.");
        let (mut inherent, mut declared, mut delegated) = (Vec::new(), Vec::new(), Vec::new());
        for (index, method) in self.methods.iter().enumerate() {
            let Method { ident, doc, deprecated, request, reply, streams, .. } = method;
            let (name, request) = match streams.requests {
                true => (quote!(requests), quote!(#door::Streaming<#request>)),
                false => (quote!(request), quote!(#request)),
            };
            let reply = streams.reply(door, reply);
            let signature = quote!(fn #ident(&self, #name: #request) -> #door::Call<#reply>);
            let body = match (streams.requests, streams.replies) {
                (false, false) => quote!(self.0.unary(#index, &request)),
                (false, true) => quote!(self.0.server_streaming(#index, &request)),
                (true, false) => quote!(self.0.client_streaming(#index, requests)),
                (true, true) => quote!(self.0.bidirectional(#index, requests)),
            };
            inherent.push(quote!(#doc #deprecated pub #signature { #body }));
            declared.push(quote!(#doc #deprecated #signature;));
            delegated.push(quote!(#signature { #client::#ident(self, #name) }));
        }
        quote! {
            #[doc = #client_doc]
            #deprecated
            #[derive(::core::clone::Clone)]
            pub struct #client(#door::Stub);

            impl #client {
                /// A client over this channel.
                pub fn new(channel: #door::Channel) -> Self {
                    Self(#door::Stub::new(channel, &#constant))
                }

                #(#inherent)*
            }

            #[doc = #calls_doc]
            #deprecated
            pub trait #calls: ::core::marker::Send + ::core::marker::Sync {
                #(#declared)*
            }

            impl #calls for #client {
                #(#delegated)*
            }
        }
    }
}

impl Method {
    fn new(
        file: &FileDescriptorProto,
        path: &[i32],
        descriptor: &MethodDescriptorProto,
        context: &CodeGenContext<'_>,
        taken: &mut HashSet<String>,
    ) -> Result<Method, String> {
        let package = file.package.as_deref().unwrap_or_default();
        let name = descriptor.name.clone().unwrap_or_default();
        let (request, request_view) = types(context, descriptor.input_type.as_deref(), package)?;
        let (reply, _) = types(context, descriptor.output_type.as_deref(), package)?;
        let idempotency = match descriptor.options.idempotency_level {
            Some(IdempotencyLevel::IDEMPOTENT) => quote!(Idempotent),
            Some(IdempotencyLevel::NO_SIDE_EFFECTS) => quote!(NoSideEffects),
            _ => quote!(Unknown),
        };
        Ok(Method {
            ident: method_ident(&name, taken),
            doc: comments::doc(file, path, &format!(" The method `{name}`.")),
            deprecated: deprecated(descriptor.options.deprecated),
            request,
            request_view,
            reply,
            streams: Streams {
                requests: descriptor.client_streaming.unwrap_or_default(),
                replies: descriptor.server_streaming.unwrap_or_default(),
            },
            idempotency,
            placement: options::placement(&descriptor.options)?,
            http: Vec::new(),
            name,
        })
    }
}

impl Streams {
    fn kind(&self) -> Ident {
        match (self.requests, self.replies) {
            (false, false) => format_ident!("Unary"),
            (true, false) => format_ident!("ClientStreaming"),
            (false, true) => format_ident!("ServerStreaming"),
            (true, true) => format_ident!("Bidirectional"),
        }
    }

    fn reply(&self, door: &Door, reply: &TokenStream) -> TokenStream {
        if self.replies { quote!(#door::Streaming<#reply>) } else { reply.clone() }
    }
}

/// The code of an `mprpc::HttpRule`.
fn rule_tokens(door: &Door, rule: &HttpRule) -> TokenStream {
    let HttpRule { method, template, body, response_body } = rule;
    let body = match body.as_str() {
        "" => quote!(Empty),
        "*" => quote!(Whole),
        field => quote!(Field(#field)),
    };
    let response_body = match response_body.as_str() {
        "" => quote!(None),
        field => quote!(Some(#field)),
    };
    quote! {
        #door::HttpRule {
            method: #method,
            template: #template,
            body: #door::HttpBody::#body,
            response_body: ::core::option::Option::#response_body,
        }
    }
}

/// The paths of a message and of its view, relative to the root of `package`.
fn types(
    context: &CodeGenContext<'_>,
    name: Option<&str>,
    package: &str,
) -> Result<(TokenStream, TokenStream), String> {
    let name = name.unwrap_or_default();
    let Some(path) = context.rust_type_relative_split(name, package, 0) else {
        return Err(format!("no such message: `{name}`"));
    };
    // The prefix `self` keeps a message named `T` distinct from the type parameter of a server.
    let root = if path.to_package.is_empty() { "self" } else { &path.to_package };
    let owned = format!("{root}::{}", path.within_package);
    let view = format!("{root}::__buffa::view::{}View", path.within_package);
    Ok((rust_path_to_tokens(&owned), rust_path_to_tokens(&view)))
}

/// The Rust name of a method: `login` for `Login`. If `GetUser` and `get_user` collide, the second becomes `get_user_2`.
fn method_ident(name: &str, taken: &mut HashSet<String>) -> Ident {
    let snake = nonempty(name.to_snake_case());
    let mut candidate = snake.clone();
    let mut count = 1;
    while !taken.insert(candidate.clone()) {
        count += 1;
        candidate = format!("{snake}_{count}");
    }
    make_field_ident(&candidate)
}

/// Keeps a name such as `_1` valid: the case change drops the underscore, and `1` is no identifier.
fn nonempty(name: String) -> String {
    match name.starts_with(|first: char| first.is_ascii_alphabetic()) {
        true => name,
        false => format!("__{name}"),
    }
}

fn deprecated(deprecated: Option<bool>) -> TokenStream {
    if deprecated == Some(true) { quote!(#[deprecated]) } else { TokenStream::new() }
}
