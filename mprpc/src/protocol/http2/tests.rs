//! Tests of the engine: both sides in memory.
