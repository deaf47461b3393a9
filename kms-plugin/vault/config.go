package vault

import (
	"fmt"
	"strings"

	"github.com/k8senc/k8senc/kms-plugin/connect"
	"github.com/k8senc/k8senc/kms-plugin/kek"
)

// Config names one Transit key and how to log in. Exactly one field of Auth is set.
type Config struct {
	// Address is https://host:port of Vault or OpenBao.
	Address string `yaml:"address"`
	// Namespace is that of the mount and of the logins.
	Namespace string `yaml:"namespace"`
	// Mount is the path of the Transit engine; transit without it.
	Mount string `yaml:"mount"`
	// Key is the name of the Transit key.
	Key string `yaml:"key"`
	// Instance and MountLabel are what the identity of the key calls the server and the mount. They stay when addresses and
	// paths change. MountLabel is Mount without it.
	Instance   string `yaml:"instance"`
	MountLabel string `yaml:"mountLabel"`
	Auth       Auth   `yaml:"auth"`

	Connect connect.Config `yaml:",inline"`
}

// Auth is how to log in: exactly one field is set.
type Auth struct {
	Token      *Token   `yaml:"token"`
	AppRole    *AppRole `yaml:"appRole"`
	Kubernetes *JWT     `yaml:"kubernetes"`
	JWT        *JWT     `yaml:"jwt"`
	Cert       *Cert    `yaml:"cert"`
}

// Token is a ready token, as from an agent's sink: exactly one field is set. A file is read again when it changes.
type Token struct {
	File       string `yaml:"file"`
	Credential string `yaml:"credential"`
	// Env is the name of an environment variable.
	Env string `yaml:"env"`
}

// AppRole logs in with a role id and a secret id, which is read again for each login.
type AppRole struct {
	Mount              string `yaml:"mount"`
	RoleID             string `yaml:"roleID"`
	SecretIDFile       string `yaml:"secretIDFile"`
	SecretIDCredential string `yaml:"secretIDCredential"`
}

// JWT logs in with a signed token in a file, which is read again for each login.
type JWT struct {
	Mount     string `yaml:"mount"`
	Role      string `yaml:"role"`
	TokenFile string `yaml:"tokenFile"`
}

// Cert logs in with the client certificate of the connection.
type Cert struct {
	Mount string `yaml:"mount"`
	Role  string `yaml:"role"`
}

var (
	keyName   = connect.Pattern(`^[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?$`)
	mountPath = connect.Pattern(`^[A-Za-z0-9][\w.-]*(?:/[A-Za-z0-9][\w.-]*)*$`)
	envName   = connect.Pattern(`^[A-Za-z_]\w*$`)
)

func (c *Config) mount() string { return orElse(c.Mount, "transit") }

func (c *Config) mountLabel() string { return orElse(c.MountLabel, c.mount()) }

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// Owns compares instance label, mount label and key name.
func (c *Config) Owns(id [][]byte) bool {
	return len(id) == 5 && string(id[0]) == c.Instance && string(id[1]) == c.mountLabel() && string(id[2]) == c.Key
}

// Validate says which field is wrong.
func (c *Config) Validate() []kek.Problem {
	var found []kek.Problem
	report := func(field, what, hint string) {
		found = append(found, kek.Problem{Field: field, What: what, Hint: hint})
	}
	if c.Address == "" {
		report("address", "is missing", "the URL of Vault or OpenBao, as https://vault.example:8200")
	} else if problem, wrong := connect.Address("address", c.Address); wrong {
		found = append(found, problem)
	}
	if !mountPath().MatchString(c.mount()) {
		report("mount", fmt.Sprintf("%q is no mount path", c.Mount), "write it without slashes at the ends, as transit")
	}
	if c.Key == "" {
		report("key", "is missing", "the name of the Transit key")
	} else if !keyName().MatchString(c.Key) {
		report("key", fmt.Sprintf("%q is no name of a Transit key", c.Key), "letters, digits, dots, underscores and hyphens are possible")
	}
	if c.Instance == "" {
		report("instance", "is missing", "a label for this Vault that stays when its address changes: it is part of the key_id")
	}
	return append(append(found, c.Auth.validate(c.Connect.CertFile != "")...), c.Connect.Validate()...)
}

func (a *Auth) validate(hasCert bool) []kek.Problem {
	var found []kek.Problem
	report := func(field, what, hint string) {
		found = append(found, kek.Problem{Field: "auth" + field, What: what, Hint: hint})
	}
	file := func(field, path string) {
		if problem, wrong := connect.NotAbsolute("auth"+field, path); wrong {
			found = append(found, problem)
		}
	}
	mount := func(field, path string) {
		if path != "" && !mountPath().MatchString(path) {
			report(field, fmt.Sprintf("%q is no mount path", path), "write it as in: vault auth list, without auth/ and the last slash")
		}
	}
	ways := 0
	if a.Token != nil {
		ways++
		if n := set(a.Token.File) + set(a.Token.Credential) + set(a.Token.Env); n != 1 {
			report(".token", "exactly one of file, credential and env is needed", "")
		}
		if a.Token.Env != "" && !envName().MatchString(a.Token.Env) {
			report(".token.env", "is no name of an environment variable", "write the variable's name, never the token itself")
		}
		file(".token.file", a.Token.File)
	}
	if a.AppRole != nil {
		ways++
		if a.AppRole.RoleID == "" {
			report(".appRole.roleID", "is missing", "vault read auth/approle/role/ROLE/role-id")
		}
		found = append(found, connect.OneSecret("auth.appRole", [2]string{"secretIDFile", "secretIDCredential"}, a.AppRole.SecretIDFile, a.AppRole.SecretIDCredential)...)
		mount(".appRole.mount", a.AppRole.Mount)
	}
	if a.Kubernetes != nil {
		ways++
		if a.Kubernetes.Role == "" {
			report(".kubernetes.role", "is missing", "")
		}
		mount(".kubernetes.mount", a.Kubernetes.Mount)
		file(".kubernetes.tokenFile", a.Kubernetes.TokenFile)
	}
	if a.JWT != nil {
		ways++
		if a.JWT.Role == "" {
			report(".jwt.role", "is missing", "")
		}
		if a.JWT.TokenFile == "" {
			report(".jwt.tokenFile", "is missing", "the file with the signed token")
		}
		mount(".jwt.mount", a.JWT.Mount)
		file(".jwt.tokenFile", a.JWT.TokenFile)
	}
	if a.Cert != nil {
		ways++
		if !hasCert {
			report(".cert", "needs certFile and keyFile", "they stand beside address")
		}
		mount(".cert.mount", a.Cert.Mount)
	}
	if ways != 1 {
		report("", fmt.Sprintf("%d ways to log in, exactly one is needed", ways), "one of "+strings.Join([]string{"token", "appRole", "kubernetes", "jwt", "cert"}, ", "))
	}
	return found
}

func set(text string) int {
	if text == "" {
		return 0
	}
	return 1
}
