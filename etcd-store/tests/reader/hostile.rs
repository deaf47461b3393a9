//! Every row of the table of hostile inputs: a defined answer, never a panic, a hang or a large allocation.

mod content;
mod file;
mod source;
mod tree;

use crate::image::{BUCKET, Image, inline_meta};

type Refusal = (&'static str, Option<u64>, Option<u32>);

fn damaged(change: impl FnOnce(&mut Image)) -> Refusal {
    let mut image = Image::sound();
    change(&mut image);
    image.refusal()
}

/// The sound file with one bucket of this name and value beside `meta`.
fn root_with(name: &[u8], flags: u32, value: Vec<u8>) -> Refusal {
    damaged(|i| {
        i.leaf(
            2,
            &[
                (flags, name.to_vec(), value),
                (BUCKET, b"meta".to_vec(), inline_meta()),
            ],
        );
    })
}
