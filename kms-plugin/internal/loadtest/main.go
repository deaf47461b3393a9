// Command loadtest measures the plugin beside a reference over their sockets, as scripts/bench kms-plugin asks for it.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	kmsapi "k8s.io/kms/apis/v2"
)

func main() {
	if len(os.Args) == 3 && os.Args[1] == "reference" {
		exit(reference(os.Args[2]))
	}
	plugin := flag.String("plugin", "", "the plugin's program")
	mock := flag.String("mock", "", "the mock's program")
	rounds := flag.Int("rounds", 5, "rounds of each measurement")
	each := flag.Duration("each", time.Second, "how long one takes")
	flag.Parse()
	exit(measure(*plugin, *mock, *rounds, *each))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "loadtest:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// side is one server under load.
type side struct {
	name    string
	start   func() *exec.Cmd
	socket  string
	command *exec.Cmd
	client  kmsapi.KeyManagementServiceClient
	conn    *grpc.ClientConn
	sealed  []*kmsapi.EncryptResponse
}

func measure(plugin, mock string, rounds int, each time.Duration) error {
	room, err := os.MkdirTemp("", "k8senc-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(room)
	made := filepath.Join(room, "plugin")
	if out, err := exec.Command(plugin, "init", "--cluster", "bench", made).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	config := filepath.Join(made, "config.yaml")
	ours := &side{name: "k8senc-kms-plugin", socket: filepath.Join(made, "run", "kms.sock"), start: func() *exec.Cmd { return exec.Command(plugin, "serve", "--config", config) }}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	token, err := newToken(room, mock)
	if err != nil {
		return err
	}
	theirs := &side{name: "mock", socket: filepath.Join(room, "mock.sock")}
	theirs.start = func() *exec.Cmd { return token.command(mock, "serve", token.config, theirs.socket) }
	strict := &side{name: "AES in the process", socket: filepath.Join(room, "ref.sock")}
	strict.start = func() *exec.Cmd { return exec.Command(self, "reference", strict.socket) }
	sides, references := []*side{ours, theirs, strict}, []*side{theirs, strict}

	fmt.Println("start to first Status (median of 7)")
	for _, one := range sides {
		var took []time.Duration
		for range 7 {
			began := time.Now()
			if err := one.up(); err != nil {
				return err
			}
			took = append(took, time.Since(began))
			one.down()
		}
		slices.Sort(took)
		fmt.Printf("  %-20s %8.1f ms%s\n", one.name, took[3].Seconds()*1000, target(one == ours, took[3] < 100*time.Millisecond, "below 100 ms"))
	}
	for _, one := range sides {
		if err := one.up(); err != nil {
			return err
		}
		defer one.down()
	}
	time.Sleep(2 * time.Second)
	fmt.Println("resident memory, idle")
	for _, one := range sides {
		kib := one.resident()
		fmt.Printf("  %-20s %8.1f MiB%s\n", one.name, float64(kib)/1024, target(one == ours, kib < 40*1024, "below 40 MiB"))
	}
	for _, one := range sides {
		if err := one.prepare(); err != nil {
			return err
		}
	}
	for _, method := range []string{"Encrypt", "Decrypt"} {
		ratios := map[*side][]float64{}
		best, calls, spent := map[*side]float64{}, map[*side]float64{}, map[*side]float64{}
		for round := range rounds {
			rate := map[*side]float64{}
			order := slices.Clone(sides)
			if round%2 == 1 {
				slices.Reverse(order)
			}
			for _, one := range order {
				before := one.busy()
				if rate[one], err = one.flood(method, 32, each); err != nil {
					return err
				}
				calls[one] += rate[one] * each.Seconds()
				spent[one] += one.busy() - before
				best[one] = max(best[one], rate[one])
			}
			for _, other := range references {
				ratios[other] = append(ratios[other], rate[ours]/rate[other])
			}
		}
		fmt.Printf("%s a second, 32 at a time on one connection\n", method)
		for _, one := range sides {
			fmt.Printf("  %-20s %8.0f   %6.1f us on the CPU for each\n", one.name, best[one], spent[one]/calls[one]*1e6)
		}
		for _, other := range references {
			slices.Sort(ratios[other])
			median := ratios[other][rounds/2]
			fmt.Printf("  %-31s %5.2fx%s\n", "of "+other.name+", median", median, target(other == theirs, median >= 1, "at least 1"))
		}
	}
	fmt.Println("p50 and p99 at 1,000 Decrypts a second")
	for _, one := range sides {
		p50, p99, err := one.steady(1000, max(each, 3*time.Second))
		if err != nil {
			return err
		}
		fmt.Printf("  %-20s %8.2f ms %8.2f ms\n", one.name, p50.Seconds()*1000, p99.Seconds()*1000)
	}
	fmt.Println("resident memory, after the load")
	for _, one := range sides {
		fmt.Printf("  %-20s %8.1f MiB\n", one.name, float64(one.resident())/1024)
	}
	return nil
}

func target(ours, met bool, what string) string {
	switch {
	case !ours:
		return ""
	case met:
		return "   target " + what + ": met"
	default:
		return "   target " + what + ": MISSED"
	}
}

func (s *side) up() error {
	s.command = s.start()
	if err := s.command.Start(); err != nil {
		return err
	}
	var err error
	backoff := grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: time.Second})
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(200 * time.Microsecond) {
		if _, missing := os.Stat(s.socket); missing != nil {
			continue
		}
		if s.conn, err = grpc.NewClient("unix://"+s.socket, grpc.WithTransportCredentials(insecure.NewCredentials()), backoff); err != nil {
			return err
		}
		s.client = kmsapi.NewKeyManagementServiceClient(s.conn)
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		var status *kmsapi.StatusResponse
		status, err = s.client.Status(ctx, &kmsapi.StatusRequest{})
		cancel()
		if err == nil && status.Healthz == "ok" {
			return nil
		}
		_ = s.conn.Close()
	}
	return fmt.Errorf("%s does not answer: %w", s.name, err)
}

func (s *side) down() {
	_ = s.conn.Close()
	_ = s.command.Process.Signal(syscall.SIGTERM)
	_ = s.command.Wait()
	_ = os.Remove(s.socket)
}

// resident is the memory of the server in KiB.
func (s *side) resident() int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.command.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, _ := strconv.Atoi(strings.Fields(value)[0])
			return kib
		}
	}
	return 0
}

// busy is how long the server was on a CPU, in seconds.
func (s *side) busy() float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.command.Process.Pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	return (user + system) / 100
}

var seed = bytes.Repeat([]byte{7}, 32)

// prepare makes records to open, so many that no two of them are asked for at once.
func (s *side) prepare() error {
	for range 512 {
		sealed, err := s.client.Encrypt(context.Background(), &kmsapi.EncryptRequest{Plaintext: seed, Uid: "bench"})
		if err != nil {
			return err
		}
		s.sealed = append(s.sealed, sealed)
	}
	return nil
}

func (s *side) once(ctx context.Context, method string, i int) error {
	if method == "Encrypt" {
		_, err := s.client.Encrypt(ctx, &kmsapi.EncryptRequest{Plaintext: seed, Uid: "bench"})
		return err
	}
	one := s.sealed[i%len(s.sealed)]
	opened, err := s.client.Decrypt(ctx, &kmsapi.DecryptRequest{Ciphertext: one.Ciphertext, KeyId: one.KeyId, Annotations: one.Annotations, Uid: "bench"})
	if err == nil && !bytes.Equal(opened.Plaintext, seed) {
		err = fmt.Errorf("%s opened something else", s.name)
	}
	return err
}

// flood calls as often as it can.
func (s *side) flood(method string, workers int, each time.Duration) (float64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), each+20*time.Second)
	defer cancel()
	var done, next atomic.Int64
	var failed atomic.Pointer[error]
	var group sync.WaitGroup
	began := time.Now()
	for range workers {
		group.Go(func() {
			for time.Since(began) < each {
				if err := s.once(ctx, method, int(next.Add(1))); err != nil {
					failed.Store(&err)
					return
				}
				done.Add(1)
			}
		})
	}
	group.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return float64(done.Load()) / time.Since(began).Seconds(), nil
}

// steady calls at a fixed rate, whether the answers come or not, and counts from when a call was due.
func (s *side) steady(rate int, each time.Duration) (p50, p99 time.Duration, err error) {
	total := int(each.Seconds() * float64(rate))
	took := make([]time.Duration, total)
	var failed atomic.Pointer[error]
	var group sync.WaitGroup
	began := time.Now()
	for i := range total {
		due := began.Add(time.Duration(i) * time.Second / time.Duration(rate))
		time.Sleep(time.Until(due))
		group.Go(func() {
			if err := s.once(context.Background(), "Decrypt", i); err != nil {
				failed.Store(&err)
			}
			took[i] = time.Since(due)
		})
	}
	group.Wait()
	if err := failed.Load(); err != nil {
		return 0, 0, *err
	}
	slices.Sort(took)
	return took[total/2], took[total*99/100], nil
}
