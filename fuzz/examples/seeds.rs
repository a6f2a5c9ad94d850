//! Writes the seeds of the targets that trust keys into `corpus/<target>` of this folder.

use std::fs;
use std::path::Path;

use indelible_fuzz::{checkpoint_trusted, manifest_trusted, receipt_trusted, seeds, vault};

fn main() -> std::io::Result<()> {
    let exports = seeds::files(&seeds::good("export"));
    write("export", &exports)?;
    write("zstd", &exports)?;
    write("vault", &vault::inputs())?;
    write("receipt_trusted", &receipt_trusted::inputs())?;
    write("checkpoint_trusted", &checkpoint_trusted::inputs())?;
    write("manifest_trusted", &manifest_trusted::inputs())
}

fn write(target: &str, seeds: &[Vec<u8>]) -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&folder)?;
    for (number, seed) in seeds.iter().enumerate() {
        fs::write(folder.join(format!("seed-{number:03}")), seed)?;
    }
    println!("{target}: {} seeds", seeds.len());
    Ok(())
}
