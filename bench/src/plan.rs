//! The plan of a measurement: rows of a table, each a load and its systems.

use std::time::Duration;

use mprpc_bench_harness::{Kind, Load, Shape};

use crate::systems::{PEERS, TONIC_TO_MPRPC};

/// One load, which several systems run in turn.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    /// The name in results: `1x64`, `stream`, `open-8`.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) shape: Shape,
    pub(crate) payload: usize,
    /// Whether both ends are pinned to core 0.
    pub(crate) pinned: bool,
    /// Set for the open loop: the rate is half of what this system does in the closed loop of 8x16 with the same payload.
    pub(crate) half_of: Option<&'static str>,
    /// The system to which the others are compared: the first one of `systems`.
    pub(crate) base: &'static str,
    pub(crate) systems: Vec<&'static str>,
}

/// The rows to measure, and how often.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    pub(crate) rows: Vec<Row>,
    pub(crate) repetitions: usize,
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
    /// Whether each row runs once more to count system calls.
    pub(crate) count_syscalls: bool,
}

const SMALL: usize = 32;
const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
/// Size of the classic Login's arguments in bytes.
const LOGIN: usize = 15;

impl Plan {
    /// The rows that the README shows and the issue asks for, in about ten minutes.
    pub(crate) fn compare() -> Plan {
        let mut rows = Vec::new();
        for shape in ["1x1", "1x64", "8x16", "64x1", "1000x1"] {
            rows.extend(unary(shape, SMALL));
        }
        for (shape, payload) in [("1x64", KIB), ("8x16", KIB), ("8x16", 16 * KIB), ("8x1", MIB)] {
            rows.extend(unary(shape, payload));
        }
        rows.extend(streams());
        rows.push(classic());
        rows.push(open_loop("mprpc"));
        let second = Duration::from_secs(1);
        Plan { rows, repetitions: 5, warm_up: second * 3 / 10, measured: second, count_syscalls: true }
    }

    /// Every shape with every payload.
    pub(crate) fn all() -> Plan {
        let mut rows = Vec::new();
        for payload in [SMALL, KIB, 16 * KIB, MIB] {
            for shape in ["1x1", "1x64", "8x16", "64x1", "1000x1"] {
                rows.extend(unary(shape, payload));
            }
        }
        rows.extend(streams());
        rows.push(classic());
        rows.push(open_loop("mprpc"));
        rows.extend(PEERS.map(open_loop));
        Plan { rows, ..Plan::compare() }
    }

    /// The main rows, in less than two minutes.
    pub(crate) fn quick() -> Plan {
        let mut rows = Vec::new();
        for shape in ["1x1", "1x64", "8x16", "64x1"] {
            rows.extend(unary(shape, SMALL));
        }
        rows.extend(unary("8x16", 16 * KIB));
        for row in &mut rows {
            row.systems.retain(|system| *system != "raw-tokio" && (row.payload == SMALL || !PEERS.contains(system)));
        }
        rows.extend(streams().into_iter().take(1));
        rows.push(classic());
        rows.push(open_loop("mprpc"));
        let millis = Duration::from_millis;
        Plan { rows, repetitions: 3, warm_up: millis(200), measured: millis(500), count_syscalls: false }
    }

    /// gRPC: tonic, mprpc, and the client of tonic with the server of mprpc; and the native protocol.
    pub(crate) fn grpc() -> Plan {
        let rows = [("1x64", SMALL), ("8x16", SMALL), ("64x1", SMALL), ("8x16", 16 * KIB)];
        let rows = rows.into_iter().filter_map(|(shape, payload)| unary(shape, payload)).chain(streams());
        let systems = vec!["tonic", "mprpc-grpc", TONIC_TO_MPRPC, "mprpc"];
        let rows = rows.map(|row| Row { base: "tonic", systems: systems.clone(), ..row }).collect();
        Plan { rows, count_syscalls: false, ..Plan::compare() }
    }

    /// Keeps these systems with their bases, and these rows. An empty list keeps all.
    pub(crate) fn keep(&mut self, systems: &[String], rows: &[String]) {
        let wanted = |list: &[String], name: &str| list.is_empty() || list.iter().any(|wanted| wanted == name);
        // The open loop needs the peak rate of a system.
        let peak = |row: &Row| rows.iter().any(|row| row.starts_with("open")) && row.is_peak();
        self.rows.retain(|row| wanted(rows, &row.name) || peak(row));
        for row in &mut self.rows {
            let base = row.base;
            row.systems.retain(|system| *system == base || wanted(systems, system));
        }
        self.rows.retain(|row| row.systems.len() > 1 && row.half_of.is_none_or(|system| wanted(systems, system)));
    }

    /// Removes a system from all rows.
    pub(crate) fn leave_out(&mut self, system: &str) {
        self.rows.retain(|row| row.half_of != Some(system));
        for row in &mut self.rows {
            row.systems.retain(|other| *other != system);
        }
    }

    /// All systems of the plan.
    pub(crate) fn systems(&self) -> Vec<&'static str> {
        let mut systems = Vec::new();
        for system in self.rows.iter().flat_map(|row| &row.systems) {
            if !systems.contains(system) {
                systems.push(system);
            }
        }
        systems
    }
}

impl Row {
    /// Returns the load for `system`. The address and the process id are set later from the server.
    pub(crate) fn load(&self, system: &str, rate: Option<f64>, plan: &Plan) -> Load {
        Load {
            kind: self.kind,
            shape: self.shape,
            payload: self.payload,
            warm_up: plan.warm_up,
            measured: plan.measured,
            rate,
            pin: self.pin(),
            ..Load::new(system)
        }
    }

    /// The core to which both ends are pinned.
    pub(crate) fn pin(&self) -> Option<usize> {
        self.pinned.then_some(0)
    }

    /// Whether the open loop takes its rate from this row.
    pub(crate) fn is_peak(&self) -> bool {
        self.kind == Kind::Unary && self.name == "8x16" && self.payload == SMALL
    }
}

/// Formats a size for people: `32 B`, `16 KiB`.
pub(crate) fn size(bytes: usize) -> String {
    match bytes {
        bytes if bytes >= MIB && bytes.is_multiple_of(MIB) => format!("{} MiB", bytes / MIB),
        bytes if bytes >= KIB && bytes.is_multiple_of(KIB) => format!("{} KiB", bytes / KIB),
        bytes => format!("{bytes} B"),
    }
}

/// Returns a row of unary calls, or `None` if the row needs more memory than a machine has: a thousand connections with a
/// MiB each.
fn unary(name: &str, payload: usize) -> Option<Row> {
    let shape: Shape = name.parse().ok()?;
    let mut systems = vec!["raw", "raw-tokio", "mprpc"];
    systems.extend(PEERS);
    if payload == MIB {
        // raw-tokio writes before it reads. With full sockets the two ends would block each other.
        systems.retain(|system| *system != "raw-tokio");
        if shape.connections * shape.callers > 128 {
            return None;
        }
    }
    Some(Row {
        name: name.to_owned(),
        kind: Kind::Unary,
        shape,
        payload,
        pinned: shape.connections == 1,
        half_of: None,
        base: "raw",
        systems,
    })
}

fn streams() -> Vec<Row> {
    let rows = [("stream", Kind::ClientStream), ("server-stream", Kind::ServerStream), ("bidi-stream", Kind::Bidi)];
    let row = |(name, kind): (&str, Kind)| Row {
        name: name.to_owned(),
        kind,
        shape: Shape { connections: 1, callers: 1 },
        payload: MIB,
        pinned: false,
        half_of: None,
        base: "raw",
        systems: vec!["raw", "mprpc"],
    };
    rows.map(row).into()
}

fn classic() -> Row {
    Row {
        name: "8x1".to_owned(),
        kind: Kind::Connect,
        shape: Shape { connections: 8, callers: 1 },
        payload: LOGIN,
        pinned: false,
        half_of: None,
        base: "raw-connect",
        systems: vec!["raw-connect", "mprpc-classic"],
    }
}

fn open_loop(system: &'static str) -> Row {
    Row {
        name: "open-8".to_owned(),
        kind: Kind::Unary,
        shape: Shape { connections: 8, callers: 16 },
        payload: SMALL,
        pinned: false,
        half_of: Some(system),
        base: "raw",
        systems: vec!["raw", system],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_starts_with_its_base_and_open_loop_follows_its_peak() {
        for plan in [Plan::compare(), Plan::all(), Plan::quick()] {
            assert!(plan.rows.iter().all(|row| row.systems.first() == Some(&row.base)));
            let peak = plan.rows.iter().position(Row::is_peak).unwrap();
            assert!(plan.rows.iter().position(|row| row.half_of.is_some()).unwrap() > peak);
        }
    }

    #[test]
    fn kept_rows_can_still_be_measured() {
        let mut plan = Plan::compare();
        plan.keep(&["mprpc".to_owned()], &["open-8".to_owned()]);
        assert_eq!(plan.rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["8x16", "open-8"]);
        assert_eq!(plan.systems(), ["raw", "mprpc"]);
    }

    #[test]
    fn sizes_use_the_largest_whole_unit() {
        assert_eq!([15, 32, 1024, 16_384, 1 << 20].map(size), ["15 B", "32 B", "1 KiB", "16 KiB", "1 MiB"]);
    }
}
