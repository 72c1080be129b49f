//! Compiles `proto/` with protox, so no `protoc` binary is needed.
use std::path::PathBuf;

// Cargo runs this in the folder of the crate; a path baked in would be that of another checkout.
fn main() -> anyhow::Result<()> {
    let root = PathBuf::from("../proto");
    println!("cargo:rerun-if-changed={}", root.display());
    let files = ["nodes", "snapshot", "credentials", "identities", "audit"];
    let descriptors =
        protox::compile(files.map(|file| format!("warder/v1/{file}.proto")), [&root])?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
