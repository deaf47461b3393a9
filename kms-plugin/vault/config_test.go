package vault

import (
	"testing"

	"github.com/k8senc/k8senc/kms-plugin/connect"
)

func TestValidate(t *testing.T) {
	good := func() Config {
		return Config{Address: "https://vault.example:8200", Key: "kek", Instance: "prod", Auth: Auth{Token: &Token{Env: "VAULT_TOKEN"}}}
	}
	if problems := (&Config{Address: "http://127.0.0.1:8200", Key: "k", Instance: "dev", Auth: Auth{Token: &Token{File: "/run/token"}}}).Validate(); len(problems) > 0 {
		t.Errorf("%+v", problems)
	}
	for field, change := range map[string]func(*Config){
		"address":              func(c *Config) { c.Address = "" },
		"key":                  func(c *Config) { c.Key = "a/b" },
		"instance":             func(c *Config) { c.Instance = "" },
		"mount":                func(c *Config) { c.Mount = "/transit/" },
		"auth":                 func(c *Config) { c.Auth.Cert = &Cert{}; c.Connect.CertFile, c.Connect.KeyFile = "/a", "/b" },
		"auth.token":           func(c *Config) { c.Auth.Token = &Token{} },
		"auth.token.env":       func(c *Config) { c.Auth.Token = &Token{Env: "hvs.not-a-name"} },
		"auth.token.file":      func(c *Config) { c.Auth.Token = &Token{File: "token"} },
		"auth.appRole.roleID":  func(c *Config) { c.Auth = Auth{AppRole: &AppRole{SecretIDFile: "/s"}} },
		"auth.appRole":         func(c *Config) { c.Auth = Auth{AppRole: &AppRole{RoleID: "r"}} },
		"auth.kubernetes.role": func(c *Config) { c.Auth = Auth{Kubernetes: &JWT{}} },
		"auth.jwt.tokenFile":   func(c *Config) { c.Auth = Auth{JWT: &JWT{Role: "r"}} },
		"auth.cert":            func(c *Config) { c.Auth = Auth{Cert: &Cert{}} },
		"certFile":             func(c *Config) { c.Connect.CertFile = "/a" },
		"caFile":               func(c *Config) { c.Connect.CAFile = "ca.pem" },
		"proxy":                func(c *Config) { c.Connect.Proxy = "proxy.example:3128" },
		"timeout":              func(c *Config) { c.Connect = connect.Config{Timeout: 1 << 60} },
	} {
		config := good()
		change(&config)
		problems := config.Validate()
		if len(problems) != 1 || problems[0].Field != field {
			t.Errorf("%s: %+v", field, problems)
		}
	}
	for _, address := range []string{"vault.example", "http://vault.example:8200", "https://user:word@vault.example", "https://vault.example/?a=b", "ftp://x"} {
		config := good()
		config.Address = address
		if problems := config.Validate(); len(problems) != 1 || problems[0].Field != "address" {
			t.Errorf("%s: %+v", address, problems)
		}
	}
}
