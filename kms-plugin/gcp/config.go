package gcp

import (
	"fmt"
	"net"
	"strings"

	"github.com/k8senc/k8senc/kms-plugin/connect"
	"github.com/k8senc/k8senc/kms-plugin/kek"
)

// Config names one symmetric key of Google Cloud KMS. Credentials come from Application Default Credentials unless a file is named.
type Config struct {
	// Key is projects/P/locations/L/keyRings/R/cryptoKeys/K: the key itself, and no version of it.
	Key string `yaml:"key"`
	// CredentialsFile is the JSON of a service account, of workload identity federation or of an impersonation.
	CredentialsFile string `yaml:"credentialsFile"`
	// QuotaProject is the project that calls are counted for.
	QuotaProject string `yaml:"quotaProject"`
	// Endpoint is host:port of another endpoint, as for Private Service Connect.
	Endpoint string `yaml:"endpoint"`

	Connect connect.Config `yaml:",inline"`
}

const defaultEndpoint = "cloudkms.googleapis.com:443"

var (
	cryptoKey  = connect.Pattern(`^projects/[^/]+/locations/[a-z0-9-]+/keyRings/[\w-]{1,63}/cryptoKeys/[\w-]{1,63}$`)
	keyVersion = connect.Pattern(`^projects/[^/]+/locations/[a-z0-9-]+/keyRings/[\w-]{1,63}/cryptoKeys/[\w-]{1,63}/cryptoKeyVersions/[0-9]+$`)
)

// Owns wants a version of the key.
func (c *Config) Owns(id [][]byte) bool { return len(id) == 1 && c.owns(string(id[0])) }

func (c *Config) owns(version string) bool {
	return keyVersion().MatchString(version) && strings.HasPrefix(version, c.Key+"/cryptoKeyVersions/")
}

// Validate says which field is wrong.
func (c *Config) Validate() []kek.Problem {
	var found []kek.Problem
	report := func(field, what, hint string) {
		found = append(found, kek.Problem{Field: field, What: what, Hint: hint})
	}
	const form = "write it as projects/P/locations/L/keyRings/R/cryptoKeys/K"
	switch {
	case c.Key == "":
		report("key", "is missing", form)
	case keyVersion().MatchString(c.Key):
		report("key", "names a version", "leave /cryptoKeyVersions/N out: the primary version wraps, all of them unwrap")
	case !cryptoKey().MatchString(c.Key):
		report("key", fmt.Sprintf("%q is no name of a CryptoKey", c.Key), form)
	}
	if problem, wrong := connect.NotAbsolute("credentialsFile", c.CredentialsFile); wrong {
		found = append(found, problem)
	}
	if c.Endpoint != "" {
		if host, port, err := net.SplitHostPort(c.Endpoint); err != nil || host == "" || port == "" || strings.Contains(port, "/") {
			report("endpoint", fmt.Sprintf("%q is no host:port", c.Endpoint), "the default is "+defaultEndpoint)
		}
	}
	if c.Connect.Proxy != "" && c.Connect.Proxy != "none" {
		report("proxy", "cannot be set for Google", "gRPC takes the proxy of the environment (HTTPS_PROXY, NO_PROXY); none goes around it")
		return found
	}
	return append(found, c.Connect.Validate()...)
}
