//! The settings of a compilation, and the function that runs it. Not the generation itself.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use buffa::Message;
use buffa_codegen::generated::descriptor::FileDescriptorSet;

use crate::error::Error;
use crate::output;
use crate::source::Source;

/// The settings of a compilation.
///
/// ```no_run
/// mprpc_build::Config { includes: vec!["proto".into()], ..Default::default() }
///     .compile(&["proto/app/user.proto"])
///     .unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    /// The folders in which imports are searched. If it is empty, the folder of each file is searched.
    pub includes: Vec<PathBuf>,
    /// The output folder. `None` means `OUT_DIR`, where `mprpc::include_proto!` looks for the code.
    pub out_dir: Option<PathBuf>,
    /// Whether messages also support protobuf JSON if the feature `json` of mprpc is on. JSON costs compile time.
    pub json: bool,
    /// The path by which the generated code names the crate mprpc.
    pub crate_path: String,
    /// Packages and types that another crate holds: the protobuf name, `.my.common`, and the Rust path,
    /// `::my_common::proto::my::common`. The generated code refers to them and does not contain them.
    pub extern_paths: Vec<(String, String)>,
    /// The fields of type `bytes` that become `mprpc::Bytes` instead of `Vec<u8>`: `.` for all, a package, a message or a
    /// field, such as `.app.Chunk.data`. A clone of such a field copies nothing. Decoding a message of 4 KiB or more does
    /// not copy the field either; the field then keeps the message's read buffer alive.
    pub shared_bytes: Vec<String>,
    /// Whether the program contains the descriptors of its services, with the comments of the `.proto` files, as
    /// `ServiceDescriptor::files`. Reflection, HTTP paths and the OpenAPI document need them. A package costs about as many bytes as its `.proto` files have:
    /// 243 for `examples/hello`, 1,993 for the three files of `examples/proto`.
    pub descriptors: bool,
    /// The program `protoc` that parses the files, instead of the built-in parser. Files with an edition need it: version 27
    /// or newer for edition 2023, 32 or newer for edition 2024. `None` means the built-in parser, which needs no program.
    pub protoc: Option<PathBuf>,
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
            descriptors: true,
            protoc: None,
        }
    }
}

impl Config {
    /// Compiles `.proto` files and every file that they import. Two kinds of imports generate no code: the well-known types,
    /// which mprpc contains, and `mprpc/options.proto`, `google/api/annotations.proto` and `google/api/http.proto`, which
    /// hold only options.
    ///
    /// Prints a `cargo::rerun-if-changed` line for each file that it reads.
    ///
    /// # Errors
    ///
    /// Errors of the source carry file, line and column. Errors of the file system carry the path.
    pub fn compile(&self, files: &[impl AsRef<Path>]) -> Result<(), Error> {
        let files: Vec<&Path> = files.iter().map(AsRef::as_ref).collect();
        let out_dir = self.out_folder()?;
        let source = self.read(&files)?;
        rerun_if_changed(&source.paths);
        output::write(&output::generate(self, &source)?, &out_dir)
    }

    /// Parses `.proto` files and every file that they import, and generates nothing. Returns an encoded
    /// `google.protobuf.FileDescriptorSet`, in which each file comes after the files that it imports. For tools that read
    /// schemas while they run.
    ///
    /// # Errors
    ///
    /// The errors of [`Config::compile`]. Only `protoc` needs the output folder.
    pub fn descriptor_set(&self, files: &[impl AsRef<Path>]) -> Result<Vec<u8>, Error> {
        let files: Vec<&Path> = files.iter().map(AsRef::as_ref).collect();
        let source = self.read(&files)?;
        Ok(FileDescriptorSet { file: source.originals, ..Default::default() }.encode_to_vec())
    }

    fn out_folder(&self) -> Result<PathBuf, Error> {
        let unset = || Error::new("OUT_DIR is not set: call this from a build script, or set Config::out_dir");
        self.out_dir.clone().or_else(|| std::env::var_os("OUT_DIR").map(PathBuf::from)).ok_or_else(unset)
    }

    fn read(&self, files: &[&Path]) -> Result<Source, Error> {
        let includes = self.includes_for(files);
        match &self.protoc {
            Some(protoc) => Source::read_with(protoc, files, &includes, &self.out_folder()?.join("mprpc-protoc")),
            None => Source::read(files, &includes),
        }
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
