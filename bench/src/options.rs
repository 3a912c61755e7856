//! The command line of the tool.

use std::path::PathBuf;

use crate::plan::Plan;
use crate::systems::{PEERS, TONIC_TO_MPRPC};

pub(crate) const HELP: &str = "\
mprpc beside its peers, and beside a raw socket: an echo service, server and client as processes of their own.

usage: cargo run --release --manifest-path bench/Cargo.toml -- compare|quick|grpc|scale|load [OPTIONS]

  compare              all rows, 5 repetitions, about ten minutes
  quick                the main rows, 3 short repetitions, less than two minutes
  grpc                 gRPC beside tonic, in two minutes: mprpc-grpc is mprpc at both ends, tonic-to-mprpc is the client of
                       tonic and the server of mprpc
  scale                what a connection, a service and an endpoint more cost, from one to thousands, about five minutes;
                       takes --quick, --json FILE and --svg FILE, and --from FILE for the picture of an earlier --json
  load                 handlers that take time, and more calls than the server can do, 3 rounds, about 20 minutes;
                       takes names of rows, --rounds N, --json FILE and --svg FILE

  --all                every shape with every payload, and the open loop of every peer (compare only; half an hour)
  --json FILE          writes the results, a list of objects
  --svg FILE           writes a picture of 1x64, 8x16 and 64x1
  --check              fails if a requirement of the project is not met; they are printed in any case
  --repetitions N      how often each row is run
  --seconds S          how long each run is measured
  --systems A,B        only these, and what they are measured against: raw, raw-tokio, mprpc, mprpc-classic, tonic,
                       tarpc, volo-thrift
  --rows A,B           only these: 1x1, 1x64, 8x16, 64x1, 1000x1, 8x1, stream, server-stream, bidi-stream, open-8
  --help               this text
";

/// The options of a run.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) plan: Plan,
    pub(crate) json: Option<PathBuf>,
    pub(crate) svg: Option<PathBuf>,
    pub(crate) check: bool,
}

impl Options {
    /// Parses the arguments. `None` means that the user asked for help. The error is text for people.
    pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Option<Options>, String> {
        let mut arguments = arguments.into_iter().peekable();
        let command = arguments.next().unwrap_or_default();
        let mut plan = match command.as_str() {
            "compare" if arguments.next_if(|next| next == "--all").is_some() => Plan::all(),
            "compare" => Plan::compare(),
            "quick" => Plan::quick(),
            "grpc" => Plan::grpc(),
            "--help" | "-h" | "help" => return Ok(None),
            "" => return Err("compare, quick, grpc, scale or load? --help says more".to_owned()),
            _ => {
                return Err(format!(
                    "unknown command '{command}'; there are compare, quick, grpc, scale and load, and --help"
                ));
            }
        };
        let (mut json, mut svg, mut check) = (None, None, false);
        let (mut systems, mut rows) = (Vec::new(), Vec::new());
        while let Some(option) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{option} has no value"));
            match option.as_str() {
                "--json" => json = Some(value()?.into()),
                "--svg" => svg = Some(value()?.into()),
                "--check" => check = true,
                "--repetitions" => plan.repetitions = positive(&option, &value()?)?,
                "--seconds" => plan.measured = std::time::Duration::from_secs_f64(positive(&option, &value()?)?),
                "--systems" => systems = list(&option, &value()?, &known_systems())?,
                "--rows" => rows = list(&option, &value()?, &known_rows())?,
                "--help" | "-h" => return Ok(None),
                "--all" if command == "compare" => return Err("--all stands right behind compare".to_owned()),
                _ => return Err(format!("unknown option '{option}'; --help says which there are")),
            }
        }
        plan.keep(&systems, &rows);
        if plan.rows.is_empty() {
            return Err("no row is left to measure".to_owned());
        }
        Ok(Some(Options { plan, json, svg, check }))
    }
}

fn positive<T: std::str::FromStr + PartialOrd + Default>(option: &str, value: &str) -> Result<T, String> {
    let parsed = value.parse().ok().filter(|parsed| *parsed > T::default());
    parsed.ok_or_else(|| format!("{option} '{value}' is not more than 0"))
}

fn list(option: &str, value: &str, known: &[String]) -> Result<Vec<String>, String> {
    let names: Vec<String> = value.split(',').map(str::to_owned).collect();
    match names.iter().find(|name| !known.contains(name)) {
        Some(name) => Err(format!("{option} '{name}': there are {}", known.join(", "))),
        None => Ok(names),
    }
}

fn known_systems() -> Vec<String> {
    ["raw", "raw-tokio", "raw-connect", "mprpc", "mprpc-classic", "mprpc-grpc", TONIC_TO_MPRPC]
        .iter()
        .chain(&PEERS)
        .map(|name| (*name).to_owned())
        .collect()
}

fn known_rows() -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for row in Plan::all().rows {
        if !names.contains(&row.name) {
            names.push(row.name);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Option<Options>, String> {
        Options::parse(line.split(' ').map(str::to_owned))
    }

    #[test]
    fn unknown_option_is_named() {
        assert!(parse("sing").unwrap_err().contains("'sing'"));
        assert!(parse("quick --loud").unwrap_err().contains("'--loud'"));
        assert!(parse("quick --json").unwrap_err().contains("--json has no value"));
        assert!(parse("quick --systems raw,grpc").unwrap_err().contains("'grpc'"));
        assert!(parse("quick --rows 8x17").unwrap_err().contains("8x16"));
        assert!(parse("quick --seconds 0").unwrap_err().contains("'0'"));
        assert!(parse("quick --rows 1x1 --systems mprpc-classic").unwrap_err().contains("no row"));
    }

    #[test]
    fn options_select_the_plan() {
        let options = parse("quick --systems mprpc,tarpc --rows 1x64 --repetitions 7 --check").unwrap().unwrap();
        assert_eq!(options.plan.systems(), ["raw", "mprpc", "tarpc"]);
        assert_eq!(options.plan.repetitions, 7);
        assert!(options.check);
        assert!(parse("compare --all").unwrap().unwrap().plan.rows.len() > Plan::compare().rows.len());
        assert!(parse("--help").unwrap().is_none());
    }
}
