//! `k8senc-bindgen IN.wasm OUT_DIR NAME`: writes `NAME.wasm` and `NAME.js` from what cargo built.
//!
//! The glue that wasm-bindgen writes keeps its one instance in a variable of the module. Ours has to be discarded after a
//! panic and made again, so the glue becomes a function: each call gives exports with a state of their own.

use std::error::Error;
use std::path::Path;

use wasm_bindgen_cli_support::Bindgen;

const HEAD: &str = "let wasm_bindgen = (function(exports) {";
const TAIL: &str = "})({ __proto__: null });";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [input, out, name] = arguments.as_slice() else {
        return Err("k8senc-bindgen needs IN.wasm OUT_DIR NAME".into());
    };
    let mut bindgen = Bindgen::new();
    bindgen
        .input_path(input)
        .out_name(name)
        .no_modules(true)?
        .typescript(false)
        .omit_default_module_path(true)
        .remove_name_section(true)
        .remove_producers_section(true);
    let mut output = bindgen.generate_output()?;
    let glue = factory(output.js())?;
    let out = Path::new(out);
    std::fs::create_dir_all(out)?;
    std::fs::write(out.join(format!("{name}.wasm")), output.wasm_mut().emit_wasm())?;
    std::fs::write(out.join(format!("{name}.js")), glue)?;
    Ok(())
}

/// The glue as an ES module with one export, a function that makes the glue of one instance.
fn factory(js: &str) -> Result<String, String> {
    let changed = "wasm-bindgen writes other glue than expected: see bindings-wasm/bindgen/src/main.rs";
    let body = js.trim().strip_prefix(HEAD).and_then(|rest| rest.strip_suffix(TAIL)).ok_or(changed)?;
    Ok(format!(
        "// Written by k8senc-bindgen; do not edit.\nexport function glue(exports = {{ __proto__: null }}) {{{body}}}\n"
    ))
}
