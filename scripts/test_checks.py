"""Tests of the checks: each must be able to fail."""

import unittest

import check_deps
import check_docs
import check_go_deps
import check_hygiene


class Licences(unittest.TestCase):
    def test_accepted(self):
        for text in ("MIT", "MIT/Apache-2.0", "GPL-3.0 OR MIT", "ISC AND (Apache-2.0 OR GPL-2.0) AND OpenSSL", "Apache-2.0 WITH LLVM-exception OR MIT"):
            self.assertTrue(check_deps.licence_accepted(text), text)

    def test_refused(self):
        for text in ("", "GPL-3.0", "MIT AND GPL-3.0", "(MIT OR Apache-2.0) AND MPL-2.0", "Apache-2.0 WITH Foo", "MIT )"):
            self.assertFalse(check_deps.licence_accepted(text), text)


class AllowLists(unittest.TestCase):
    def test_names_need_a_reason_once(self):
        names, bad = check_deps.read_allow_list("# note\na  because\nb\na  again\n")
        self.assertEqual((names, bad), ({"a", "b"}, ["b", "a  again"]))


class Directions(unittest.TestCase):
    def metadata(self, name, dependency, kind):
        member = {"id": "m", "name": name, "version": "0", "source": None, "license": "MIT",
                  "manifest_path": str(check_deps.ROOT / "scripts" / "Cargo.toml"),
                  "dependencies": [{"name": dependency, "kind": kind}]}
        other = {**member, "id": "o", "name": dependency, "dependencies": []}
        return {"packages": [member, other], "workspace_members": ["m", "o"]}

    def test_upward_dependency_is_reported(self):
        found = check_deps.check(self.metadata("k8senc-config", "k8senc-audit", None))
        self.assertEqual(found, ["k8senc-config depends on k8senc-audit, which the diagram does not allow"])

    def test_vectors_are_for_tests(self):
        self.assertEqual(check_deps.check(self.metadata("k8senc-config", "k8senc-vectors", "dev")), [])
        self.assertNotEqual(check_deps.check(self.metadata("k8senc-config", "k8senc-vectors", None)), [])

    def test_foreign_sources_licences_and_banned_names(self):
        metadata = self.metadata("k8senc-config", "k8senc-vectors", "dev")
        stranger = {"id": "s", "name": "serde_yml", "version": "1", "source": "git+somewhere", "license": "GPL-3.0"}
        metadata["packages"].append(stranger)
        self.assertEqual(len(check_deps.check(metadata)), 3)


    def test_newer_rust_than_promised(self):
        metadata = self.metadata("k8senc-config", "k8senc-vectors", "dev")
        metadata["packages"][0]["rust_version"] = "1.89"
        source = "registry+https://example.com/crates.io-index"
        for version, complaints in (("1.89.0", 0), ("1.9", 0), ("1.90", 1), (None, 0)):
            crate = {"id": "s", "name": "x", "version": "1", "source": source, "license": "MIT", "rust_version": version}
            found = check_deps.check({**metadata, "packages": [*metadata["packages"], crate]})
            self.assertEqual(len(found), complaints, version)


class GoModules(unittest.TestCase):
    def test_licences_are_told_apart(self):
        for name, mark in check_go_deps.MARKS.items():
            self.assertEqual(check_go_deps.licence_of(mark.replace(" ", "\n", 1)), name)
        self.assertEqual(check_go_deps.licence_of("Apache License\n   Version 2.0, January 2004"), "Apache-2.0")
        self.assertEqual(check_go_deps.licence_of("Mozilla Public License ... GNU General Public License"), "MPL-2.0")
        self.assertIsNone(check_go_deps.licence_of("all rights reserved"))

    def test_each_fault_is_reported(self):
        good = {"a.example/x": ("MIT", True)}
        self.assertEqual(check_go_deps.check(good, "a.example/x  MIT  a reason\n"), [])
        vault = "github.com/hashicorp/vault/sdk"
        for modules, text in (
            (good, ""), (good, "a.example/x  MIT\n"), (good, "a.example/x  ISC  a reason\n"), ({}, "a.example/x  MIT  a reason\n"),
            (good, "a.example/x  MIT  a reason\na.example/x  MIT  again\n"), ({"b": ("BUSL-1.1", False)}, "b  BUSL-1.1\n"), ({"b": (None, False)}, "b  MIT\n"),
            ({vault: ("MPL-2.0", False)}, f"{vault}  MPL-2.0\n"),
        ):
            self.assertNotEqual(check_go_deps.check(modules, text), [], (modules, text))


class Documents(unittest.TestCase):
    files = {"README.md": {"use-it"}, "docs": set(), "docs/a.md": {"one", "one-1", "kms-and-keys-of-it"}, "scripts/setup": set()}

    def found(self, text, path="docs/a.md"):
        return check_docs.complaints(path, text, self.files, {"test", "demo"})

    def test_headings_become_anchors(self):
        text = "# One\n```sh\n# no heading\n```\n## One\n### `KMS` and [keys](x.md) of it!\n"
        self.assertEqual(check_docs.anchors(text), self.files["docs/a.md"])

    def test_what_is_there(self):
        self.assertEqual(self.found("[a](../README.md#use-it) [b](#one-1) [c](../docs) [d](https://example.com/x)\n"
                                    "`make test`, which may make a mistake\n$ make demo  # it\nscripts/setup, target/scripts/x\n"), [])

    def test_what_is_not(self):
        for text in ("[a](b.md)", "[a](../README.md#use)", "[a](#two)", "scripts/steup", "`make tset`", "```\n$ make dmeo\n```"):
            self.assertEqual(len(self.found(text)), 1, text)

    def test_pages_nobody_finds(self):
        texts = {"README.md": "[a](docs/a.md#x)", "docs/a.md": "[b](b.md)", "docs/b.md": "", "docs/c.md": "[a](a.md)", "core/README.md": ""}
        self.assertEqual(check_docs.unreachable(texts), ["docs/c.md: no way leads here from README"])

    def test_counts(self):
        known = {"transcripts": {109}, "rules": {59}}
        self.assertEqual(check_docs.wrong_counts("109 transcripts, 59 rules on it", known), [])
        self.assertEqual(len(check_docs.wrong_counts("1,109 transcripts", known)), 2)

    def test_targets_nobody_names(self):
        self.assertEqual(check_docs.unnamed_targets("`make test-a`", {"test-a", "demo"}), [])
        self.assertEqual(len(check_docs.unnamed_targets("`make test-a`", {"test-a", "test-b"})), 1)


class Hygiene(unittest.TestCase):
    prefix = "k8s:" + "enc:"

    def test_prefix_in_a_binding(self):
        line = f'PREFIX = "{self.prefix}"\n'
        self.assertTrue(check_hygiene.complaints("bindings-py/python/k8senc/cli.py", line))
        self.assertFalse(check_hygiene.complaints("bindings-py/tests/test_cli.py", line))
        self.assertFalse(check_hygiene.complaints("core/src/wire/prefix.rs", line))

    def test_prefix_in_a_rust_test_module(self):
        text = f'fn a() {{}}\n#[cfg(test)]\nmod tests {{ const P: &str = "{self.prefix}"; }}\n'
        self.assertFalse(check_hygiene.complaints("audit/src/pass.rs", text))

    def test_reveal_in_the_audit(self):
        self.assertTrue(check_hygiene.complaints("audit/src/pass.rs", "let x = opened.reveal();\n"))

    def test_relaxed_panic_lint(self):
        line = '#[expect(clippy::indexing_slicing, reason = "r")]\n'
        self.assertTrue(check_hygiene.complaints("core/src/chain.rs", line))
        self.assertFalse(check_hygiene.complaints("core/tests/chain.rs", line))

    def test_notes_and_machine_paths(self):
        self.assertTrue(check_hygiene.complaints("a.md", "TO" + "DO: later\n"))
        self.assertTrue(check_hygiene.complaints("a.md", "see " + "/ro" + "ot/notes\n"))
        self.assertFalse(check_hygiene.complaints("a.md", "https://example.com/ro" + "ot/x\n"))

    def test_lints_table(self):
        package = '[package]\nname = "x"\n'
        self.assertTrue(check_hygiene.lints_complaint("core/Cargo.toml", package))
        self.assertFalse(check_hygiene.lints_complaint("core/Cargo.toml", package + "[lints]\nworkspace = true\n"))
        self.assertFalse(check_hygiene.lints_complaint("Cargo.toml", '[workspace]\nresolver = "3"\n'))


if __name__ == "__main__":
    unittest.main()
