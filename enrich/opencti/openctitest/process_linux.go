package openctitest

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

const supported = true

// process is a child with a process group of its own. A nil process is dead.
type process struct {
	pid  int
	done chan struct{} // closed when it has been waited for
}

// startProcess starts a child that the kernel kills when we die (Pdeathsig).
//
// The signal is sent when the thread ends that started the child, not the
// process (golang.org/issue/27505). So the child is started and awaited by a
// goroutine that keeps its thread until the child is gone.
func startProcess(args, env []string, output string) (*process, error) {
	out, err := os.OpenFile(output, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr = env, out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	p := &process{done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.done)
		defer out.Close()
		err := cmd.Start()
		if err == nil {
			p.pid = cmd.Process.Pid
		}
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("openctitest: %w", err)
	}
	return p, nil
}

func (p *process) alive() bool {
	if p == nil {
		return false
	}
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// kill ends the whole group at once and waits for the child.
func (p *process) kill() error { return p.signal(syscall.SIGKILL, 10*time.Second) }

// terminate asks the child to end, and kills it when it does not in time.
func (p *process) terminate(patience time.Duration) error {
	if err := p.signal(syscall.SIGTERM, patience); err == nil {
		return nil
	}
	return p.kill()
}

func (p *process) signal(sig syscall.Signal, patience time.Duration) error {
	if !p.alive() {
		return nil
	}
	if err := syscall.Kill(-p.pid, sig); err != nil && err != syscall.ESRCH {
		return fmt.Errorf("openctitest: %w", err)
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(patience):
		return fmt.Errorf("openctitest: process %d survived %v", p.pid, sig)
	}
}
