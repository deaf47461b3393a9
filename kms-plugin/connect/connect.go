// Package connect is how every backend reaches its KMS over TLS: roots, client certificate, proxy, time limit, and what an answer's
// headers said.
package connect

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/k8senc/k8senc/kms-plugin/kek"
)

// DefaultTimeout bounds a call whose context has no earlier end.
const DefaultTimeout = 10 * time.Second

// Config is the part of a backend's configuration that says how to connect. The empty one takes the system's roots and the proxy
// of the environment (HTTPS_PROXY, NO_PROXY).
type Config struct {
	// CAFile is PEM and takes the place of the system's roots.
	CAFile string `yaml:"caFile"`
	// CertFile and KeyFile are this client's certificate in PEM. They are read again for every handshake, so that a renewed
	// certificate needs no restart.
	CertFile string `yaml:"certFile"`
	KeyFile  string `yaml:"keyFile"`
	// ServerName is the name the server's certificate must have, where it is not the host of the address.
	ServerName string `yaml:"serverName"`
	// Proxy is the URL of an HTTP proxy; "none" goes around that of the environment.
	Proxy string `yaml:"proxy"`
	// Timeout bounds one call.
	Timeout time.Duration `yaml:"timeout"`
}

// Validate says which field is wrong.
func (c *Config) Validate() []kek.Problem {
	var found []kek.Problem
	for _, file := range []struct{ field, path string }{{"caFile", c.CAFile}, {"certFile", c.CertFile}, {"keyFile", c.KeyFile}} {
		if problem, wrong := NotAbsolute(file.field, file.path); wrong {
			found = append(found, problem)
		}
	}
	if (c.CertFile == "") != (c.KeyFile == "") {
		found = append(found, kek.Problem{Field: "certFile", What: "certFile and keyFile belong together", Hint: "set both, or neither"})
	}
	if c.Proxy != "" && c.Proxy != "none" {
		if at, err := url.Parse(c.Proxy); err != nil || (at.Scheme != "http" && at.Scheme != "https") || at.Host == "" {
			found = append(found, kek.Problem{Field: "proxy", What: "is no http or https URL", Hint: "write it as http://proxy.example:3128, or none"})
		}
	}
	if c.Timeout < 0 || c.Timeout > time.Minute {
		found = append(found, kek.Problem{Field: "timeout", What: fmt.Sprintf("%s is here, at most 1m is possible", c.Timeout), Hint: "kube-apiserver waits 3 s as a rule"})
	}
	return found
}

// NotAbsolute is the problem with a path that is set and not absolute.
func NotAbsolute(field, path string) (kek.Problem, bool) {
	if path == "" || filepath.IsAbs(path) {
		return kek.Problem{}, false
	}
	return kek.Problem{Field: field, What: fmt.Sprintf("%q is not absolute", path)}, true
}

// Address is the problem with a server's URL that is not https://host[:port], or that has no TLS and is not on loopback.
func Address(field, address string) (kek.Problem, bool) {
	at, err := url.Parse(address)
	switch {
	case err != nil || at.Host == "" || (at.Scheme != "https" && at.Scheme != "http"):
		return kek.Problem{Field: field, What: "is no URL of a server", Hint: "write it as https://host or https://host:port"}, true
	case at.User != nil:
		return kek.Problem{Field: field, What: "has a user name or a password", Hint: "credentials have fields of their own"}, true
	case at.RawQuery != "" || at.Fragment != "":
		return kek.Problem{Field: field, What: "has a query or a fragment", Hint: "write it as https://host or https://host:port"}, true
	case at.Scheme == "http" && !loopback(at.Hostname()):
		return kek.Problem{Field: field, What: "has no TLS", Hint: "keys would cross the network in the clear: use https"}, true
	}
	return kek.Problem{}, false
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// Limit is the time that one call may take.
func (c *Config) Limit() time.Duration {
	if c.Timeout == 0 {
		return DefaultTimeout
	}
	return c.Timeout
}

// TLS is the client side of a handshake.
func (c *Config) TLS() (*tls.Config, error) {
	made := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.ServerName}
	if c.CAFile != "" {
		text, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("caFile: %w", err)
		}
		made.RootCAs = x509.NewCertPool()
		if !made.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("caFile: %s has no certificate in PEM", c.CAFile)
		}
	}
	if c.CertFile != "" {
		if _, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile); err != nil {
			return nil, fmt.Errorf("certFile and keyFile: %w", err)
		}
		made.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
			if err != nil {
				return nil, fmt.Errorf("certFile and keyFile: %w", err)
			}
			return &pair, nil
		}
	}
	return made, nil
}

// Apply puts the configuration into a transport.
func (c *Config) Apply(transport *http.Transport) error {
	secure, err := c.TLS()
	if err != nil {
		return err
	}
	transport.TLSClientConfig = secure
	transport.ForceAttemptHTTP2 = true
	transport.DialContext = (&net.Dialer{Timeout: 3 * time.Second, KeepAlive: 15 * time.Second}).DialContext
	transport.TLSHandshakeTimeout = 5 * time.Second
	transport.ResponseHeaderTimeout = c.Limit()
	transport.MaxIdleConnsPerHost = 16
	transport.IdleConnTimeout = 90 * time.Second
	transport.Proxy = http.ProxyFromEnvironment
	switch c.Proxy {
	case "":
	case "none":
		transport.Proxy = nil
	default:
		through, err := url.Parse(c.Proxy)
		if err != nil {
			return errors.New("proxy is no URL")
		}
		transport.Proxy = http.ProxyURL(through)
	}
	return nil
}

// Client is an HTTP client that follows no redirect and records what Watch asks for. Close its idle connections when done.
func (c *Config) Client() (*http.Client, error) {
	transport := &http.Transport{}
	if err := c.Apply(transport); err != nil {
		return nil, err
	}
	return &http.Client{
		Transport:     &recorder{transport},
		Timeout:       c.Limit(),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// Cause is what an HTTP client failed of, without the request's URL.
func Cause(err error) error {
	var request *url.Error
	if errors.As(err, &request) {
		return request.Err
	}
	return err
}
