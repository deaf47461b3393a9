//! Requests to valgrind's memcheck: say that bytes are undefined, and it reports each branch and each address that depends
//! on them. Outside valgrind, and on other CPUs than x86-64, they do nothing.

#![cfg_attr(
    target_arch = "x86_64",
    expect(
        unsafe_code,
        reason = "a request to valgrind is a sequence of instructions"
    )
)]

const MAKE_UNDEFINED: u64 = 0x4d43_0001;
const MAKE_DEFINED: u64 = 0x4d43_0002;
const RUNNING: u64 = 0x1001;

/// The words of a request go in `rax`, the answer comes in `rdx`; the four rotations and the exchange change nothing on a
/// real CPU (valgrind.h, amd64).
#[cfg(target_arch = "x86_64")]
fn request_at(code: u64, at: *const u8, len: usize) -> u64 {
    let words: [u64; 6] = [code, at as u64, len as u64, 0, 0, 0];
    let answer: u64;
    // SAFETY: `rdi` is rotated by 128 bits in all and so unchanged, `rbx` is exchanged with itself. Memcheck reads the six
    // words and changes its own notes about the `len` bytes, no memory of the program.
    unsafe {
        core::arch::asm!(
            "rol rdi, 3", "rol rdi, 13", "rol rdi, 61", "rol rdi, 51", "xchg rbx, rbx",
            in("rax") words.as_ptr(), inout("rdx") 0u64 => answer,
            options(nostack),
        );
    }
    answer
}

#[cfg(not(target_arch = "x86_64"))]
fn request_at(_: u64, _: *const u8, _: usize) -> u64 {
    0
}

fn request(code: u64, bytes: &[u8]) -> u64 {
    request_at(code, bytes.as_ptr(), bytes.len())
}

/// Whether valgrind runs this program.
pub fn watched() -> bool {
    request(RUNNING, &[]) != 0
}

/// Nothing may depend on these bytes from now on.
pub fn poison(secret: &[u8]) {
    request(MAKE_UNDEFINED, secret);
}

/// As [`publish`], for the bytes of the value itself, such as a length in it.
pub fn publish_value<T>(value: &T) {
    request_at(
        MAKE_DEFINED,
        core::ptr::from_ref(value).cast(),
        size_of::<T>(),
    );
}

/// Everything may depend on these bytes from now on: they are published.
pub fn publish(bytes: &[u8]) {
    request(MAKE_DEFINED, bytes);
}
