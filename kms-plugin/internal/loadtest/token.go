package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// module is where Debian puts SoftHSM.
const module = "/usr/lib/softhsm/libsofthsm2.so"

// token is a token of SoftHSM with the mock's key in it.
type token struct{ environment, config string }

func newToken(room, mock string) (*token, error) {
	objects := filepath.Join(room, "tokens")
	if err := os.Mkdir(objects, 0o700); err != nil {
		return nil, err
	}
	settings := filepath.Join(room, "softhsm2.conf")
	if err := os.WriteFile(settings, fmt.Appendf(nil, "directories.tokendir = %s\nlog.level = ERROR\n", objects), 0o600); err != nil {
		return nil, err
	}
	const label, pin = "bench", "bench-pin"
	made := &token{"SOFTHSM2_CONF=" + settings, filepath.Join(room, "crypto11.json")}
	config, err := json.Marshal(map[string]string{"Path": module, "TokenLabel": label, "Pin": pin})
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(made.config, config, 0o600); err != nil {
		return nil, err
	}
	for _, step := range []*exec.Cmd{
		made.command("softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", pin, "--pin", pin), made.command(mock, "init", made.config),
	} {
		if text, err := step.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%s: %w: %s", step.Path, err, text)
		}
	}
	return made, nil
}

func (t *token) command(program string, args ...string) *exec.Cmd {
	made := exec.Command(program, args...)
	made.Env = append(os.Environ(), t.environment)
	return made
}
