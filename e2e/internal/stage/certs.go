package stage

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// certs are files of one certificate authority that lives as long as the run.
type certs struct {
	ca                     string
	server, serverKey      string
	admin, adminKey        string
	accounts, accountsPub  string
	authority              *x509.Certificate
	authorityKey           *ecdsa.PrivateKey
	caPEM, adminPEM, adKey []byte
}

func makeCerts(dir string) (*certs, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "k8senc-e2e"},
		NotBefore:             time.Now().Add(-time.Minute),
		NotAfter:              time.Now().Add(24 * time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	authority, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	c := &certs{authority: authority, authorityKey: key}
	at := func(name string) string { return filepath.Join(dir, name) }
	c.ca, c.server, c.serverKey = at("ca.crt"), at("server.crt"), at("server.key")
	c.admin, c.adminKey = at("admin.crt"), at("admin.key")
	c.accounts, c.accountsPub = at("accounts.key"), at("accounts.pub")
	c.caPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(c.ca, c.caPEM, 0o600); err != nil {
		return nil, err
	}
	if _, _, err := c.issue(2, pkix.Name{CommonName: "localhost"}, c.server, c.serverKey); err != nil {
		return nil, err
	}
	c.adminPEM, c.adKey, err = c.issue(3, pkix.Name{CommonName: "admin", Organization: []string{"system:masters"}}, c.admin, c.adminKey)
	if err != nil {
		return nil, err
	}
	return c, c.writeAccountsKey()
}

func (c *certs) issue(serial int64, subject pkix.Name, crtPath, keyPath string) (crt, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		Subject:      subject,
		NotBefore:    c.authority.NotBefore,
		NotAfter:     c.authority.NotAfter,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, c.authority, &private.PublicKey, c.authorityKey)
	if err != nil {
		return nil, nil, err
	}
	crt = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if key, err = privatePEM(private); err != nil {
		return nil, nil, err
	}
	if err := os.WriteFile(crtPath, crt, 0o600); err != nil {
		return nil, nil, err
	}
	return crt, key, os.WriteFile(keyPath, key, 0o600)
}

// writeAccountsKey makes the key that signs tokens of service accounts.
func (c *certs) writeAccountsKey() error {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	key, err := privatePEM(private)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		return err
	}
	if err := os.WriteFile(c.accounts, key, 0o600); err != nil {
		return err
	}
	return os.WriteFile(c.accountsPub, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}), 0o600)
}

func privatePEM(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), nil
}
