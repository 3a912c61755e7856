//! The native protocol, by the client of this crate.

use super::*;

pub(super) fn open(shared: &Arc<Shared>) -> Box<dyn Caller> {
    Box::new(Native(pair_with(shared.clone(), Limits::default())))
}

struct Native(Pair);

static UNKNOWN: MethodDescriptor = unary("Nothing", "test.All/Nothing");

impl Caller for Native {
    fn protocol(&self) -> Protocol {
        Protocol::new("native")
    }

    fn call(&mut self, call: Call) -> Making<'_> {
        Box::pin(async move {
            let method = ALL.methods.iter().find(|method| method.name == call.method).unwrap_or(&UNKNOWN);
            let deadline = call.timeout.map_or(Deadline::NONE, |timeout| Deadline::after(clock::now(), timeout));
            let context = Context::new(method, None, deadline, call.metadata());
            let body = match method.kind.streams_requests() {
                true => Body::Stream(Streaming::of(call.requests)),
                false => Body::Message(call.requests[0].clone()),
            };
            let request = Request::new(context, body, deadline, |_| true);
            let mut messages = Vec::new();
            let replied = match self.0.caller.call(&request).await {
                Ok(Body::Message(message)) => {
                    messages.push(message.to_vec());
                    Ok(())
                }
                Ok(Body::Stream(mut replies)) => loop {
                    match replies.next().await {
                        Some(Ok(message)) => messages.push(message.to_vec()),
                        Some(Err(status)) => break Err(status),
                        None => break Ok(()),
                    }
                },
                Err(status) => Err(status),
            };
            let (head, of_reply) = (request.context.reply_metadata().clone(), request.context.trailer().clone());
            let error = replied.err();
            let trailer = error.as_ref().map_or(of_reply, |status| status.trailer().clone());
            Outcome { messages, error, head, trailer, http_status: None }
        })
    }

    fn close(self: Box<Self>) -> JoinHandle<Close> {
        self.0.server
    }
}
