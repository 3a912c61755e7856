//! Turns `tracing` events into lines in the queue: filter, spans, and a buffer for each thread. Does not format lines.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use slab::Slab;
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_core::span::Current;

use super::Filter;
use super::clock::Timestamp;
use super::line::{Head, Stamp, Style};
use super::queue::Queue;

/// The subscriber that [`super::start`] installs.
pub(super) struct LogSubscriber {
    pub(super) filter: Arc<ArcSwap<Filter>>,
    pub(super) queue: Arc<Queue>,
    pub(super) style: Style,
    /// The open spans, by number; the id of a span is its number plus one. Only spans, and events within a span, take
    /// this lock.
    pub(super) spans: Mutex<Slab<SpanData>>,
}

/// A span, and how many holders it has.
pub(super) struct SpanData {
    holders: usize,
    parent: Option<Id>,
    metadata: &'static Metadata<'static>,
    /// The name and fields of the span as they appear in a line.
    text: String,
}

/// The buffers that a thread keeps between events, so that an event allocates nothing.
#[derive(Default)]
struct Local {
    line: String,
    spans: Vec<String>,
    stamp: Stamp,
}

thread_local! {
    static LOCAL: RefCell<Local> = RefCell::default();
    /// The spans that this thread has entered.
    static ENTERED: RefCell<Vec<Id>> = const { RefCell::new(Vec::new()) };
}

impl Subscriber for LogSubscriber {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.enabled(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.filter.load().allows(*metadata.level(), metadata.target())
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.filter.load().most())
    }

    fn event(&self, event: &Event<'_>) {
        // The buffer is already borrowed if a value logs or panics while it is being logged.
        let usual = LOCAL.try_with(|local| local.try_borrow_mut().map(|mut local| self.log(&mut local, event)).is_ok());
        if usual != Ok(true) {
            self.log(&mut Local::default(), event);
        }
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let metadata = attributes.metadata();
        let parent = match attributes.is_contextual() {
            true => entered(),
            false => attributes.parent().cloned(),
        };
        let mut text = String::new();
        self.style.begin_span(&mut text, metadata.name(), |fields| attributes.record(fields));
        let mut spans = self.spans();
        if let Some(parent) = parent.as_ref().and_then(|id| spans.get_mut(index(id))) {
            parent.holders += 1;
        }
        id(spans.insert(SpanData { holders: 1, parent, metadata, text }))
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        // Values must not be formatted under the lock, because formatting may log.
        let Some(mut text) = self.spans().get_mut(index(span)).map(|span| std::mem::take(&mut span.text)) else {
            return;
        };
        self.style.record_span(&mut text, |fields| values.record(fields));
        if let Some(span) = self.spans().get_mut(index(span)) {
            span.text = text;
        }
    }

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn enter(&self, span: &Id) {
        let _ = ENTERED.try_with(|entered| entered.borrow_mut().push(span.clone()));
    }

    fn exit(&self, span: &Id) {
        let _ = ENTERED.try_with(|entered| {
            let mut entered = entered.borrow_mut();
            if let Some(at) = entered.iter().rposition(|id| id == span) {
                entered.remove(at);
            }
        });
    }

    fn clone_span(&self, span: &Id) -> Id {
        if let Some(data) = self.spans().get_mut(index(span)) {
            data.holders += 1;
        }
        span.clone()
    }

    fn try_close(&self, span: Id) -> bool {
        let mut spans = self.spans();
        let mut next = Some(span);
        let mut closed = false;
        while let Some(data) = next.take().and_then(|id| Some((index(&id), spans.get_mut(index(&id))?))) {
            let (number, data) = data;
            data.holders -= 1;
            if data.holders > 0 {
                break;
            }
            // The closed span held its parent.
            next = spans.remove(number).parent;
            closed = true;
        }
        closed
    }

    fn current_span(&self) -> Current {
        let Some(id) = entered() else { return Current::none() };
        let metadata = self.spans().get(index(&id)).map(|span| span.metadata);
        metadata.map_or_else(Current::none, |metadata| Current::new(id, metadata))
    }
}

impl LogSubscriber {
    fn log(&self, local: &mut Local, event: &Event<'_>) {
        let Local { line, spans, stamp } = local;
        line.clear();
        spans.clear();
        let span = match event.is_contextual() {
            true => entered(),
            false => event.parent().cloned(),
        };
        if span.is_some() {
            self.collect(span, spans);
        }
        let metadata = event.metadata();
        let head = Head { moment: Timestamp::now(), level: *metadata.level(), target: metadata.target(), spans };
        self.style.line(line, stamp, &head, |fields| event.record(fields));
        self.queue.push(*metadata.level(), line);
    }

    /// Collects the texts of a span and the spans around it, outermost first.
    fn collect(&self, mut next: Option<Id>, texts: &mut Vec<String>) {
        let spans = self.spans();
        while let Some(span) = next.and_then(|id| spans.get(index(&id))) {
            texts.push(span.text.clone());
            next = span.parent.clone();
        }
        texts.reverse();
    }

    fn spans(&self) -> MutexGuard<'_, Slab<SpanData>> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn entered() -> Option<Id> {
    ENTERED.try_with(|entered| entered.borrow().last().cloned()).ok().flatten()
}

fn id(index: usize) -> Id {
    Id::from_u64(index as u64 + 1)
}

fn index(id: &Id) -> usize {
    usize::try_from(id.into_u64() - 1).unwrap_or(usize::MAX)
}
