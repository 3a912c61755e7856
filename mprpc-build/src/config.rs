//! What can be chosen about a compilation, and the run of it. Not the generation itself.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::output;
use crate::source::Source;

/// What can be chosen about a compilation.
///
/// ```no_run
/// mprpc_build::Config { includes: vec!["proto".into()], ..Default::default() }
///     .compile(&["proto/app/user.proto"])
///     .unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    /// The folders that imports are looked for in. Empty: the folder of each file.
    pub includes: Vec<PathBuf>,
    /// Where the code goes. None: `OUT_DIR`, where `mprpc::include_proto!` looks for it.
    pub out_dir: Option<PathBuf>,
    /// Whether messages also speak protobuf JSON where the feature `json` of mprpc is on. It costs compile time.
    pub json: bool,
    /// The path by which the code names the crate mprpc.
    pub crate_path: String,
    /// Packages and types that another crate holds: the name in protobuf, `.my.common`, and the path in Rust,
    /// `::my_common::proto::my::common`. They are named there and not generated here.
    pub extern_paths: Vec<(String, String)>,
    /// The fields of type `bytes` that become `mprpc::Bytes` in place of `Vec<u8>`: `.` for all, a package, a message or a
    /// field, as `.app.Chunk.data`. Cloning one costs nothing, and one in a message of 4 KiB and more is not copied when
    /// the message is decoded; it then keeps the buffer alive that the message was read into.
    pub shared_bytes: Vec<String>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            includes: Vec::new(),
            out_dir: None,
            json: true,
            crate_path: "::mprpc".to_owned(),
            extern_paths: Vec::new(),
            shared_bytes: Vec::new(),
        }
    }
}

impl Config {
    /// Compiles `.proto` files and every file they import, except the well-known types, which mprpc holds, and
    /// `mprpc/options.proto`, which holds options alone.
    ///
    /// Prints a `cargo::rerun-if-changed` for each file it read.
    ///
    /// # Errors
    ///
    /// Of the source: with file, line and column. Of the file system: with the path.
    pub fn compile(&self, files: &[impl AsRef<Path>]) -> Result<(), Error> {
        let files: Vec<&Path> = files.iter().map(AsRef::as_ref).collect();
        let source = Source::read(&files, &self.includes_for(&files))?;
        rerun_if_changed(&source.paths);
        let out_dir = match &self.out_dir {
            Some(out_dir) => out_dir.clone(),
            None => std::env::var_os("OUT_DIR").map(PathBuf::from).ok_or_else(|| {
                Error::new("OUT_DIR is not set: call this from a build script, or set Config::out_dir")
            })?,
        };
        output::write(&output::generate(self, &source)?, &out_dir)
    }

    fn includes_for(&self, files: &[&Path]) -> Vec<PathBuf> {
        if !self.includes.is_empty() {
            return self.includes.clone();
        }
        let folders: BTreeSet<PathBuf> = files.iter().filter_map(|file| file.parent()).map(Path::to_owned).collect();
        folders.into_iter().map(|folder| if folder.as_os_str().is_empty() { ".".into() } else { folder }).collect()
    }
}

#[expect(clippy::print_stdout, reason = "cargo reads the standard output of a build script")]
fn rerun_if_changed(paths: &[PathBuf]) {
    for path in paths {
        println!("cargo::rerun-if-changed={}", path.display());
    }
}
