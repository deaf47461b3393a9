package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// peer is the Rust side of a differential run (conformance-vectors/peer): questions go to its standard input in
// frames, answers come back in the same order.
type peer struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	path string
	// Answers are read as they come: a peer that cannot write reads nothing either.
	frames chan []byte
	failed error // why frames was closed
}

// peerPatience is how long one frame may take: nothing we ask takes a second, so a longer silence is a hang.
const peerPatience = 2 * time.Minute

func startPeer(path string) (*peer, error) {
	p := &peer{cmd: exec.Command(path), path: path}
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.cmd.Stderr = os.Stderr
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s does not start: %w", path, err)
	}
	p.frames = make(chan []byte, 4)
	go p.read(bufio.NewReaderSize(out, 1<<20))
	return p, nil
}

func (p *peer) read(out io.Reader) {
	defer close(p.frames)
	for {
		var n [4]byte
		if _, err := io.ReadFull(out, n[:]); err != nil {
			p.failed = fmt.Errorf("the peer ended: %w", err)
			return
		}
		b := make([]byte, binary.LittleEndian.Uint32(n[:]))
		if _, err := io.ReadFull(out, b); err != nil {
			p.failed = fmt.Errorf("the peer ended within an answer: %w", err)
			return
		}
		p.frames <- b
	}
}

func (p *peer) close() {
	_ = p.in.Close()
	_ = p.cmd.Wait()
}

// send gives the peer one frame of questions.
func (p *peer) send(questions []byte) error {
	var n [4]byte
	binary.LittleEndian.PutUint32(n[:], uint32(len(questions)))
	if _, err := p.in.Write(n[:]); err != nil {
		return err
	}
	_, err := p.in.Write(questions)
	return err
}

// receive returns the answers to the frame sent first among those not answered yet.
func (p *peer) receive() (*answers, error) {
	select {
	case b, ok := <-p.frames:
		if !ok {
			return nil, p.failed
		}
		return &answers{rest: b}, nil
	case <-time.After(peerPatience):
		_ = p.cmd.Process.Kill()
		return nil, fmt.Errorf("the peer did not answer for %v", peerPatience)
	}
}

// ask sends one frame and waits for its answers.
func (p *peer) ask(questions []byte) (*answers, error) {
	if err := p.send(questions); err != nil {
		return nil, err
	}
	return p.receive()
}

func appendBytes[T string | []byte](to []byte, b T) []byte {
	to = binary.LittleEndian.AppendUint32(to, uint32(len(b)))
	return append(to, b...)
}

func appendCount(to []byte, n int) []byte { return binary.LittleEndian.AppendUint32(to, uint32(n)) }

func appendFlag(to []byte, yes bool) []byte {
	if yes {
		return append(to, 1)
	}
	return append(to, 0)
}

// answers reads the parts of answers in order; what is missing sets err and reads as zero.
type answers struct {
	rest []byte
	err  error
}

var errShortAnswer = errors.New("an answer of the peer ends early")

func (a *answers) cut(n int) []byte {
	if n > len(a.rest) {
		a.err, a.rest = errShortAnswer, nil
		return nil
	}
	b := a.rest[:n]
	a.rest = a.rest[n:]
	return b
}

func (a *answers) byte() byte {
	if b := a.cut(1); b != nil {
		return b[0]
	}
	return 0
}

func (a *answers) count() int {
	if b := a.cut(4); b != nil {
		return int(binary.LittleEndian.Uint32(b))
	}
	return 0
}

func (a *answers) bytes() []byte { return a.cut(a.count()) }
