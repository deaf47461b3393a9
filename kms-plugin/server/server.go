// Package server is the KMS v2 service over gRPC.
package server

import (
	"context"
	"net"
	"runtime"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	kmsapi "k8s.io/kms/apis/v2"

	"github.com/k8senc/k8senc/kms-plugin/keyset"
)

// Version is what Status says for as long as the plugin lives.
const Version = "v2"

// drain is how long a stop waits for calls under way. kube-apiserver tries again at once where one is cut.
const drain = 2500 * time.Millisecond

const window = 1 << 20

// Server answers kube-apiserver with the engine that is in force.
type Server struct {
	kmsapi.UnimplementedKeyManagementServiceServer
	engine atomic.Pointer[keyset.Engine]
	grpc   *grpc.Server
}

// New makes a server. traces may be nil.
func New(engine *keyset.Engine, traces trace.TracerProvider) *Server {
	// Workers that stay have stacks that are large enough already; more calls than workers get goroutines of their own.
	// Fixed windows spare the pings with which gRPC measures a connection: every message fits ten times into a page.
	options := []grpc.ServerOption{
		grpc.NumStreamWorkers(uint32(4 * runtime.GOMAXPROCS(0))), grpc.InitialWindowSize(window), grpc.InitialConnWindowSize(window), grpc.SharedWriteBuffer(true),
	}
	if traces != nil {
		options = append(options, grpc.StatsHandler(otelgrpc.NewServerHandler(
			otelgrpc.WithTracerProvider(traces), otelgrpc.WithPropagators(propagation.TraceContext{}))))
	}
	s := &Server{grpc: grpc.NewServer(options...)}
	s.engine.Store(engine)
	kmsapi.RegisterKeyManagementServiceServer(s.grpc, s)
	return s
}

// Use puts another engine in force and gives the one before. Calls under way end with the old one.
func (s *Server) Use(engine *keyset.Engine) *keyset.Engine { return s.engine.Swap(engine) }

// Engine is the one in force.
func (s *Server) Engine() *keyset.Engine { return s.engine.Load() }

// Serve answers until Stop.
func (s *Server) Serve(listener net.Listener) error { return s.grpc.Serve(listener) }

// Stop takes no new calls and gives those under way 2.5 s.
func (s *Server) Stop() {
	done := make(chan struct{})
	go func() {
		s.grpc.GracefulStop()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(drain):
		s.grpc.Stop()
		<-done
	}
}

// Status reads memory only.
func (s *Server) Status(context.Context, *kmsapi.StatusRequest) (*kmsapi.StatusResponse, error) {
	status := s.Engine().Status()
	return &kmsapi.StatusResponse{Version: Version, Healthz: status.Healthz, KeyId: status.KeyID}, nil
}

// Encrypt seals a seed under every key of the set.
func (s *Server) Encrypt(ctx context.Context, request *kmsapi.EncryptRequest) (*kmsapi.EncryptResponse, error) {
	defer clear(request.Plaintext)
	sealed, err := s.Engine().Encrypt(keyset.WithUID(ctx, request.Uid), request.Plaintext)
	if err != nil {
		return nil, err
	}
	return &kmsapi.EncryptResponse{Ciphertext: sealed.Record, KeyId: sealed.KeyID}, nil
}

// Decrypt opens a record of any set.
func (s *Server) Decrypt(ctx context.Context, request *kmsapi.DecryptRequest) (*kmsapi.DecryptResponse, error) {
	seed, err := s.Engine().Decrypt(keyset.WithUID(ctx, request.Uid), keyset.Request{Record: request.Ciphertext, KeyID: request.KeyId, Annotations: request.Annotations})
	if err != nil {
		return nil, err
	}
	return &kmsapi.DecryptResponse{Plaintext: seed}, nil
}
