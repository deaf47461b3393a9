package faultproxy

import (
	"context"
	"net/http"
	"strings"
)

func withFault(r *http.Request, fault *Fault) context.Context {
	return context.WithValue(r.Context(), faultKey{}, fault)
}

func (p *Proxy) modify(answer *http.Response) error {
	fault, ok := answer.Request.Context().Value(faultKey{}).(*Fault)
	if !ok {
		return nil
	}
	if fault.Skew != 0 {
		// The one that serve has set counts.
		answer.Header.Del("Date")
	}
	if fault.Reply != nil {
		return fault.Reply(answer)
	}
	return nil
}

// Path chooses the calls whose path has part in it.
func Path(part string) func(*http.Request) bool {
	return func(r *http.Request) bool { return strings.Contains(r.URL.Path, part) }
}
