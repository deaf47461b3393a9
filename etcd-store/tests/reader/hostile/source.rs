//! Sources that fail or change.

use etcd_store::{ErrorKind, Options, PageSource, SourceError, Store};

use crate::image::{Image, walk};

/// A source that fails from the nth read on, or answers differently when asked again.
struct Broken<'a> {
    bytes: &'a [u8],
    reads: std::cell::Cell<u32>,
    good: u32,
}

impl PageSource for Broken<'_> {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, off: u64, buf: &mut [u8]) -> Result<(), SourceError> {
        self.reads.set(self.reads.get() + 1);
        if self.reads.get() > self.good {
            Err(SourceError::Os(5))
        } else {
            self.bytes.read_at(off, buf)
        }
    }
}

#[test]
fn a_failing_source_fails_soon() {
    let image = Image::sound();
    let mut good = 0;
    loop {
        let source = Broken {
            bytes: &image.bytes,
            reads: 0.into(),
            good,
        };
        match walk(&source, &Options::default()) {
            Err(error) => assert_eq!(error.kind, ErrorKind::Io(SourceError::Os(5))),
            Ok(_) => break,
        }
        // Of branches read ahead, of leaves read ahead, of the page itself.
        assert!(source.reads.get() <= good + 3);
        good += 1;
    }
    assert!(good > 10);
}

#[test]
fn a_changing_source_is_noticed() {
    let image = Image::sound();
    let cell = std::cell::RefCell::new(image.bytes.clone());
    struct Shared<'a>(&'a std::cell::RefCell<Vec<u8>>);
    impl PageSource for Shared<'_> {
        fn len(&self) -> u64 {
            self.0.borrow().len() as u64
        }
        fn read_at(&self, off: u64, buf: &mut [u8]) -> Result<(), SourceError> {
            self.0.borrow().as_slice().read_at(off, buf)
        }
    }
    let store = Store::open(Shared(&cell), &Options::default()).unwrap();
    let run = store.leaves().next_run().unwrap().unwrap();
    cell.borrow_mut()[6 * 1024 + 10] = 1;
    let error = store.leaf(&run, &mut Vec::new()).unwrap_err();
    assert_eq!(
        (error.kind, error.page),
        (ErrorKind::Io(SourceError::Changed), Some(6))
    );
}
