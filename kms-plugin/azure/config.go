package azure

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/k8senc/k8senc/kms-plugin/connect"
	"github.com/k8senc/k8senc/kms-plugin/kek"
)

// Config names one RSA key of a Key Vault or a Managed HSM.
type Config struct {
	// Vault is https://NAME.vault.azure.net, https://NAME.managedhsm.azure.net or that of another cloud.
	Vault string `yaml:"vault"`
	Key   string `yaml:"key"`
	// Version pins one; without it the newest wraps.
	Version string `yaml:"version"`
	// Auth is how to log in; empty is the SDK's default chain.
	Auth Auth `yaml:"auth"`
	// AuthorityHost is that of another cloud's Entra ID, as https://login.microsoftonline.us.
	AuthorityHost string `yaml:"authorityHost"`
	// AnyVaultDomain takes a vault whose host is not in the domain that its challenge names, as behind a proxy of one's own.
	AnyVaultDomain bool `yaml:"anyVaultDomain"`

	Connect connect.Config `yaml:",inline"`
}

// Auth has at most one field set. The default chain is environment, workload identity, managed identity.
type Auth struct {
	ClientSecret     *ClientSecret     `yaml:"clientSecret"`
	WorkloadIdentity *WorkloadIdentity `yaml:"workloadIdentity"`
	ManagedIdentity  *ManagedIdentity  `yaml:"managedIdentity"`
}

// ClientSecret is a service principal and where its secret is: exactly one of File and Credential.
type ClientSecret struct {
	TenantID   string `yaml:"tenantID"`
	ClientID   string `yaml:"clientID"`
	File       string `yaml:"file"`
	Credential string `yaml:"credential"`
}

// WorkloadIdentity exchanges a signed token in a file. What is empty comes from the environment.
type WorkloadIdentity struct {
	TenantID  string `yaml:"tenantID"`
	ClientID  string `yaml:"clientID"`
	TokenFile string `yaml:"tokenFile"`
}

// ManagedIdentity is that of the machine, or the user-assigned one of ClientID.
type ManagedIdentity struct {
	ClientID string `yaml:"clientID"`
}

var (
	keyName    = connect.Pattern(`^[0-9A-Za-z-]{1,127}$`)
	keyVersion = connect.Pattern(`^[0-9a-f]{32}$`)
)

// host is the vault's as identities have it.
func (c *Config) host() string {
	at, err := url.Parse(c.Vault)
	if err != nil {
		return ""
	}
	return strings.ToLower(at.Host)
}

// Owns compares the vault's host and the name of the key.
func (c *Config) Owns(id [][]byte) bool {
	return len(id) == 3 && string(id[0]) == c.host() && string(id[1]) == c.Key && keyVersion().Match(id[2])
}

// Validate says which field is wrong.
func (c *Config) Validate() []kek.Problem {
	var found []kek.Problem
	report := func(field, what, hint string) {
		found = append(found, kek.Problem{Field: field, What: what, Hint: hint})
	}
	if c.Vault == "" {
		report("vault", "is missing", "the URL of the vault, as https://NAME.vault.azure.net")
	} else if problem, wrong := connect.Address("vault", c.Vault); wrong {
		found = append(found, problem)
	} else if at, err := url.Parse(c.Vault); err != nil || at.Scheme != "https" || (at.Path != "" && at.Path != "/") {
		report("vault", fmt.Sprintf("%q is no URL of a vault", c.Vault), "write it as https://NAME.vault.azure.net, and the key's name in key")
	}
	if c.Key == "" {
		report("key", "is missing", "the name of an RSA key in the vault")
	} else if !keyName().MatchString(c.Key) {
		report("key", fmt.Sprintf("%q is no name of a key", c.Key), "letters, digits and hyphens are possible")
	}
	if c.Version != "" && !keyVersion().MatchString(c.Version) {
		report("version", fmt.Sprintf("%q is no version", c.Version), "32 hexadecimal digits; leave it out to follow the newest")
	}
	if c.AuthorityHost != "" {
		if problem, wrong := connect.Address("authorityHost", c.AuthorityHost); wrong {
			found = append(found, problem)
		}
	}
	return append(append(found, c.Auth.validate()...), c.Connect.Validate()...)
}

func (a *Auth) validate() []kek.Problem {
	var found []kek.Problem
	report := func(field, what, hint string) {
		found = append(found, kek.Problem{Field: "auth" + field, What: what, Hint: hint})
	}
	ways := 0
	if s := a.ClientSecret; s != nil {
		ways++
		if s.TenantID == "" {
			report(".clientSecret.tenantID", "is missing", "")
		}
		if s.ClientID == "" {
			report(".clientSecret.clientID", "is missing", "")
		}
		found = append(found, connect.OneSecret("auth.clientSecret", [2]string{"file", "credential"}, s.File, s.Credential)...)
	}
	if w := a.WorkloadIdentity; w != nil {
		ways++
		if problem, wrong := connect.NotAbsolute("auth.workloadIdentity.tokenFile", w.TokenFile); wrong {
			found = append(found, problem)
		}
	}
	if a.ManagedIdentity != nil {
		ways++
	}
	if ways > 1 {
		report("", fmt.Sprintf("%d ways to log in, at most one is possible", ways), "")
	}
	return found
}
