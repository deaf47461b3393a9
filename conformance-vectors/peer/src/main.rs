//! The Rust side of differential runs: reads questions from standard input, writes what k8senc answers to standard output.
//!
//! ```text
//! frame     length (u32) | questions, one after the other       integers are little-endian, text and bytes carry a u32 length
//! answer    length (u32) | answers in the same order
//! ```
//!
//! The program ends at the end of its input. A panic is an answer too (`!` and its text), so that the other side can say what
//! made it. `conformance-vectors/gen` starts this program and asks; nothing else does.

mod ask;
mod configs;
mod toy;
mod values;

use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use ask::{Answers, Questions, Truncated};
use values::World;

/// More than any batch holds; a larger length is a fault of the other side.
const FRAME_LIMIT: usize = 1 << 30;

/// One question, by its letter.
fn answer(
    letter: u8,
    asked: &mut Questions<'_>,
    world: &mut World,
    out: &mut Answers,
) -> Result<(), Truncated> {
    match letter {
        b'L' => world.load(asked, out),
        b'O' => world.open(asked, out),
        b'S' => world.seal(asked, out),
        b'C' => configs::judge(asked, out),
        _ => Err(Truncated),
    }
}

fn answer_all(frame: &[u8], world: &mut World, out: &mut Answers) -> Result<(), Truncated> {
    let mut asked = Questions::new(frame);
    while !asked.is_empty() {
        let letter = asked.byte()?;
        // Every question has its own length, so that the next one is found even after a panic.
        let body = asked.bytes()?;
        let start = out.len();
        let done = catch_unwind(AssertUnwindSafe(|| {
            answer(letter, &mut Questions::new(body), world, out)
        }));
        match done {
            Ok(done) => done?,
            Err(panic) => {
                out.truncate(start);
                let text = panic
                    .downcast_ref::<String>()
                    .map(String::as_str)
                    .or_else(|| panic.downcast_ref::<&str>().copied())
                    .unwrap_or("a panic without text");
                out.byte(b'!');
                out.bytes(text.as_bytes());
            }
        }
    }
    Ok(())
}

fn serve() -> io::Result<()> {
    let mut input = io::stdin().lock();
    let mut output = io::stdout().lock();
    let mut world = World::default();
    let mut frame = Vec::new();
    let mut length = [0; 4];
    loop {
        match input.read_exact(&mut length) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        }
        let wanted = u32::from_le_bytes(length) as usize;
        if wanted > FRAME_LIMIT {
            return Err(io::Error::other(format!(
                "a frame of {wanted} bytes was announced"
            )));
        }
        frame.resize(wanted, 0);
        input.read_exact(&mut frame)?;
        let mut out = Answers::default();
        answer_all(&frame, &mut world, &mut out).map_err(|Truncated| {
            io::Error::other("a question ends early, or is of no known kind")
        })?;
        output.write_all(&out.framed())?;
        output.flush()?;
    }
}

fn main() -> ExitCode {
    // The text of a panic goes into the answer.
    std::panic::set_hook(Box::new(|_| {}));
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("k8senc-peer: {error}");
            ExitCode::FAILURE
        }
    }
}
