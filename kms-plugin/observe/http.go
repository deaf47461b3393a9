package observe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/k8senc/k8senc/kms-plugin/keyset"
)

// Handler serves /metrics, /healthz and /readyz.
func Handler(metrics *Metrics, engine func() *keyset.Engine) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics.Registry(), promhttp.HandlerOpts{}))
	// Alive is all that healthz says: a supervisor that restarts the plugin because a KMS is down makes things worse.
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { ready(w, engine(), metrics.Refused()) })
	return mux
}

func ready(w http.ResponseWriter, engine *keyset.Engine, refused string) {
	now := engine.Snapshot()
	var text strings.Builder
	ok := now.Status.Healthz == "ok" && now.Status.KeyID != ""
	fmt.Fprintf(&text, "status: %s\nkey_id: %s\n", now.Status.Healthz, orNone(now.Status.KeyID))
	if refused != "" {
		fmt.Fprintf(&text, "the configuration file is refused and the one before is in force, %s\n", refused)
	}
	if now.Blocked != "" && now.Blocked != now.Status.Healthz {
		fmt.Fprintf(&text, "the set of the configuration is not used: %s\n", now.Blocked)
	}
	for _, key := range now.Keys {
		word := "ok"
		switch {
		case key.Retired:
			word = "retired, opens only"
		case !key.Healthy:
			word = "fails"
		case key.Active == "":
			word = "no answer yet"
		}
		fmt.Fprintf(&text, "key %s (slot %d, %s): %s", key.Name, key.Slot, key.Kind, word)
		if key.Class != "" {
			fmt.Fprintf(&text, "; last failure %s: %s", key.Class, key.Because)
		}
		if key.Refused != "" && key.Refused != now.Status.Healthz {
			fmt.Fprintf(&text, "; %s", key.Refused)
		}
		if !key.ActivateAt.IsZero() {
			fmt.Fprintf(&text, "; %s is used from %s on", key.Observed, key.ActivateAt.UTC().Format(time.RFC3339))
		}
		if !key.DeletionDate.IsZero() {
			fmt.Fprintf(&text, "; THE KMS DESTROYS IT AT %s", key.DeletionDate.UTC().Format(time.RFC3339))
		}
		text.WriteString("\n")
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if !ok {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	fmt.Fprint(w, text.String())
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

// Serve serves until ctx ends.
func Serve(ctx context.Context, address string, handler http.Handler) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
