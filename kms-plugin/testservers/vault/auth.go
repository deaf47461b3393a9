package main

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// token is the root's without policies.
type token struct {
	id       string
	policies []string
	began    time.Time
	ttl      time.Duration
	// limit is when no renewal helps any more.
	limit time.Time
}

func (t *token) ended() bool { return t.ttl > 0 && time.Since(t.began) >= t.ttl }

var (
	made  int
	grant = regexp.MustCompile(`path "([^"]+)"\s*\{ capabilities = \["(\w+)"\] \}`)
)

func (s *server) allowed(held *token, path, operation string) bool {
	for _, name := range held.policies {
		for _, match := range grant.FindAllStringSubmatch(s.policies[name], -1) {
			if match[1] == path && match[2] == operation {
				return true
			}
		}
	}
	return false
}

func (s *server) issue(w http.ResponseWriter, policies []string, ttl, longest time.Duration) {
	made++
	held := &token{id: fmt.Sprintf("hvs.made-up-%d-token", made), policies: policies, began: time.Now(), ttl: ttl, limit: time.Now().Add(longest)}
	s.tokens[held.id] = held
	held.answer(w)
}

func (t *token) answer(w http.ResponseWriter) {
	answer(w, map[string]any{"auth": map[string]any{
		"client_token": t.id, "lease_duration": int(t.ttl.Seconds()), "renewable": true, "policies": t.policies,
	}})
}

// ofToken are the calls that every token may make about itself.
func (s *server) ofToken(w http.ResponseWriter, _ *http.Request, held *token, path string) bool {
	switch path {
	case "auth/token/lookup-self":
		left := max(0, int((held.ttl - time.Since(held.began)).Seconds()))
		answer(w, map[string]any{"data": map[string]any{"ttl": left, "renewable": held.ttl > 0}})
	case "auth/token/renew-self":
		held.began = time.Now()
		held.ttl = min(held.ttl, time.Until(held.limit).Truncate(time.Second))
		held.answer(w)
	default:
		return false
	}
	return true
}

func duration(value any, otherwise time.Duration) time.Duration {
	text, _ := value.(string)
	if parsed, err := time.ParseDuration(text); err == nil {
		return parsed
	}
	return otherwise
}

// admin are the calls of the root token.
func (s *server) admin(w http.ResponseWriter, path string, data map[string]any) {
	parts := strings.Split(path, "/")
	switch {
	case path == "sys/seal":
		s.sealed = true
	case strings.HasPrefix(path, "sys/policies/acl/") || strings.HasPrefix(path, "sys/policy/"):
		s.policies[parts[len(parts)-1]], _ = data["policy"].(string)
	case strings.HasPrefix(path, "sys/"):
	case path == "auth/token/create":
		var names []string
		listed, _ := data["policies"].([]any)
		for _, name := range listed {
			names = append(names, fmt.Sprint(name))
		}
		s.issue(w, names, duration(data["ttl"], time.Hour), 24*time.Hour)
		return
	case path == "auth/token/revoke":
		delete(s.tokens, fmt.Sprint(data["token"]))
	case len(parts) == 5 && parts[4] == "role-id":
		answer(w, map[string]any{"data": map[string]any{"role_id": "role-" + parts[3]}})
		return
	case len(parts) == 5 && parts[4] == "secret-id":
		answer(w, map[string]any{"data": map[string]any{"secret_id": "secret-of-" + parts[3]}})
		return
	case len(parts) == 3 && parts[2] == "config":
		s.keys[parts[1]], _ = data["jwt_validation_pubkeys"].(string)
	case len(parts) == 4 && (parts[2] == "role" || parts[2] == "certs"):
		s.roles[parts[1]+"/"+parts[3]] = data
	default:
		refuse(w, http.StatusNotFound, fmt.Sprintf("no handler for route %q. route entry not found.", path))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *server) login(w http.ResponseWriter, r *http.Request, path string, data map[string]any) {
	mount := strings.Split(path, "/")[1]
	var role map[string]any
	switch mount {
	case "approle":
		id := strings.TrimPrefix(fmt.Sprint(data["role_id"]), "role-")
		if role = s.roles["approle/"+id]; role == nil || data["secret_id"] != "secret-of-"+id {
			refuse(w, http.StatusBadRequest, "invalid role or secret ID")
			return
		}
	case "cert":
		role = s.roles["cert/"+fmt.Sprint(data["name"])]
		if role == nil || !s.certified(r, role) {
			refuse(w, http.StatusBadRequest, "invalid certificate or no client certificate supplied")
			return
		}
	default:
		role = s.roles[mount+"/"+fmt.Sprint(data["role"])]
		if role == nil || !signed(s.keys[mount], fmt.Sprint(data["jwt"]), fmt.Sprint(role["bound_audiences"])) {
			refuse(w, http.StatusBadRequest, "error validating token: invalid audience (aud) claim")
			return
		}
	}
	s.issue(w, []string{fmt.Sprint(role["token_policies"])}, duration(role["token_ttl"], time.Hour), duration(role["token_max_ttl"], 24*time.Hour))
}

func (s *server) certified(r *http.Request, role map[string]any) bool {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(fmt.Sprint(role["certificate"]))) || len(r.TLS.PeerCertificates) == 0 {
		return false
	}
	shown := r.TLS.PeerCertificates[0]
	_, err := shown.Verify(x509.VerifyOptions{Roots: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	return err == nil && shown.Subject.CommonName == role["allowed_common_names"]
}

// signed checks an ES256 token and its audience.
func signed(public, text, audience string) bool {
	block, _ := pem.Decode([]byte(public))
	parts := strings.Split(text, ".")
	if block == nil || len(parts) != 3 {
		return false
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	key, ok := parsed.(*ecdsa.PublicKey)
	signature, failed := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || !ok || failed != nil || len(signature) != 64 {
		return false
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	var claims struct{ Aud string }
	raw, _ := base64.RawURLEncoding.DecodeString(parts[1])
	return ecdsa.Verify(key, digest[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) &&
		json.Unmarshal(raw, &claims) == nil && claims.Aud == audience
}
