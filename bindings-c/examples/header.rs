//! Writes include/k8senc.h anew.

#[path = "../tests/header/generate.rs"]
mod generate;

fn main() -> std::io::Result<()> {
    std::fs::write(generate::path(), generate::header())
}
