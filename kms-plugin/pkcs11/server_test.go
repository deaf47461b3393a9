package pkcs11

import (
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/miekg/pkcs11"
)

// softHSM is the module in /usr/lib, by Debian's package and by others'.
var softHSM = []string{"/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so"}

// hsm is SoftHSM behind the module of testdata, which can fail. Its tokens are in a directory that goes with the run.
var hsm struct {
	module, control, directory string
	// keep holds the module, so that no test's last Close unloads what another has open.
	keep *pkcs11.Ctx
}

const userPIN = "made-up-pin-4711"

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	directory, err := os.MkdirTemp("", "pkcs11-test-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(directory)
	real := ""
	for _, path := range softHSM {
		if _, err := os.Stat(path); err == nil {
			real = path
			break
		}
	}
	if real == "" {
		panic("SoftHSM is missing: make setup installs softhsm2")
	}
	source, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/miekg/pkcs11").Output()
	if err != nil {
		panic(err)
	}
	hsm.directory, hsm.module, hsm.control = directory, filepath.Join(directory, "faulty.so"), filepath.Join(directory, "control")
	build := exec.Command("cc", "-shared", "-fPIC", "-o", hsm.module, "-I", strings.TrimSpace(string(source)), "testdata/faulty.c", "-ldl")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		panic(fmt.Errorf("the module of testdata does not compile: %w", err))
	}
	config := filepath.Join(directory, "softhsm2.conf")
	tokens := filepath.Join(directory, "tokens")
	if err := os.Mkdir(tokens, 0o700); err != nil {
		panic(err)
	}
	if err := os.WriteFile(config, []byte("directories.tokendir = "+tokens+"\nobjectstore.backend = file\nlog.level = ERROR\n"), 0o600); err != nil {
		panic(err)
	}
	os.Setenv("SOFTHSM2_CONF", config)
	os.Setenv("FAULTY_MODULE", real)
	os.Setenv("FAULTY_CONTROL", hsm.control)
	for _, label := range []string{"kek", "twice", "twice"} {
		made := exec.Command("softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", "0000-so-pin", "--pin", userPIN)
		if text, err := made.CombinedOutput(); err != nil {
			panic(fmt.Errorf("softhsm2-util: %w: %s", err, text))
		}
	}
	if hsm.keep, err = load(hsm.module); err != nil {
		panic(err)
	}
	defer unload(hsm.module)
	return m.Run()
}

// fault lets functions fail: each is "C_Name rv milliseconds".
func fault(t *testing.T, lines ...string) {
	t.Helper()
	// In one step: the module reads it while this writes.
	next := hsm.control + ".next"
	if err := os.WriteFile(next, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, hsm.control); err != nil {
		t.Fatal(err)
	}
}

var ids atomic.Uint32

// admin is a session that may make and destroy keys.
func admin(t *testing.T, work func(pkcs11.SessionHandle)) {
	t.Helper()
	slots, err := hsm.keep.GetSlotList(true)
	if err != nil {
		t.Fatal(err)
	}
	for _, slot := range slots {
		if about, err := hsm.keep.GetTokenInfo(slot); err != nil || about.Label != "kek" {
			continue
		}
		session, err := hsm.keep.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
		if err != nil {
			t.Fatal(err)
		}
		if err := hsm.keep.Login(session, pkcs11.CKU_USER, userPIN); err != nil && code(err) != pkcs11.CKR_USER_ALREADY_LOGGED_IN {
			t.Fatal(err)
		}
		work(session)
		if err := hsm.keep.CloseSession(session); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatal("no token")
}

// newKey makes a key on the token as an operator does, and answers its id.
func newKey(t *testing.T) string {
	t.Helper()
	id := []byte{0xa0, byte(ids.Add(1))}
	makeKey(t, id)
	return hex.EncodeToString(id)
}

func makeKey(t *testing.T, id []byte) {
	t.Helper()
	admin(t, func(session pkcs11.SessionHandle) {
		_, err := hsm.keep.GenerateKey(session, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_AES_KEY_GEN, nil)}, []*pkcs11.Attribute{
			pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY), pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_AES),
			pkcs11.NewAttribute(pkcs11.CKA_VALUE_LEN, 32), pkcs11.NewAttribute(pkcs11.CKA_ID, id), pkcs11.NewAttribute(pkcs11.CKA_LABEL, "kek"),
			pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true), pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, true), pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, false),
			pkcs11.NewAttribute(pkcs11.CKA_ENCRYPT, true), pkcs11.NewAttribute(pkcs11.CKA_DECRYPT, true),
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func destroyKey(t *testing.T, id string) {
	t.Helper()
	raw, err := hex.DecodeString(id)
	if err != nil {
		t.Fatal(err)
	}
	admin(t, func(session pkcs11.SessionHandle) {
		if err := hsm.keep.FindObjectsInit(session, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_ID, raw)}); err != nil {
			t.Fatal(err)
		}
		found, _, err := hsm.keep.FindObjects(session, 10)
		if err != nil {
			t.Fatal(err)
		}
		if err := hsm.keep.FindObjectsFinal(session); err != nil {
			t.Fatal(err)
		}
		for _, object := range found {
			if err := hsm.keep.DestroyObject(session, object); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func config(t *testing.T, id string) Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "pin")
	if err := os.WriteFile(file, []byte(userPIN+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return Config{Module: hsm.module, TokenLabel: "kek", KeyID: id, PINFile: file}
}

func open(t *testing.T, config Config) *Backend {
	t.Helper()
	if problems := config.Validate(); len(problems) > 0 {
		t.Fatalf("the configuration is refused: %+v", problems)
	}
	backend, err := New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = backend.Close() })
	return backend
}
