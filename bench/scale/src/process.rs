//! Runs measurements as separate processes, round by round, and takes the median of their results.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::de::DeserializeOwned;

use super::Result;

/// A measurement that has a median.
pub(crate) trait Measured: Sized {
    fn median(rounds: Vec<Self>) -> Self;
}

/// Measures every count once in each round, so that other work of the machine affects all counts alike.
pub(crate) fn rounds<C, M: Measured>(rounds: usize, counts: &[C], start: impl Fn(&C) -> Result<M>) -> Result<Vec<M>> {
    let mut measured: Vec<Vec<M>> = counts.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for (count, measured) in counts.iter().zip(&mut measured) {
            measured.push(start(count)?);
        }
    }
    Ok(measured.into_iter().map(M::median).collect())
}

/// Runs this program with these arguments, and parses the result.
pub(crate) fn run<M: DeserializeOwned>(arguments: &[&str]) -> Result<M> {
    eprintln!("bench-scale {}", arguments.join(" "));
    let output = Command::new(env::current_exe()?).args(arguments).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("bench-scale {}: {}", arguments.join(" "), output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// A background process, which answers lines by lines. Dropping the handle closes the input of the process, which then ends.
pub(crate) struct Background {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Background {
    /// Starts the process, and returns the first line of its output too.
    pub(crate) fn start(arguments: &[&str]) -> Result<(Background, String)> {
        let mut command = Command::new(env::current_exe()?);
        let mut child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take().ok_or("no output")?);
        let mut background = Background { child, input, output: BufReader::new(output) };
        let line = background.line()?;
        Ok((background, line))
    }

    /// Reads a line of its output.
    pub(crate) fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        match self.output.read_line(&mut line)? {
            0 => Err("a background process has ended early".into()),
            _ => Ok(line.trim().to_owned()),
        }
    }

    /// Writes a line to its input.
    pub(crate) fn send(&mut self, line: &str) -> Result<()> {
        let mut input = self.input.as_ref().ok_or("no input")?;
        Ok(writeln!(input, "{line}")?)
    }

    /// Writes a line, and reads the answer.
    pub(crate) fn ask(&mut self, line: &str) -> Result<String> {
        self.send(line)?;
        self.line()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        drop(self.input.take());
        // The process may have ended already.
        let _ = self.child.wait();
    }
}

/// The CPU time of a process so far, in microseconds.
pub(crate) fn cpu_us(pid: &str) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The program name stands in parentheses and may contain anything. Linux counts hundredths of a second.
    let fields = stat.rsplit_once(") ").ok_or("no brackets")?.1.split(' ');
    let ticks: f64 = fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    Ok(ticks * 1e4)
}

/// The resident memory of a process in bytes.
pub(crate) fn resident_bytes(pid: &str) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib * 1024.0)
}
