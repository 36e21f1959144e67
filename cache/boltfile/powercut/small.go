package powercut

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// Small mounts a real filesystem of the given size ("1m") for the test and
// returns where, for what a full or read-only one does. Where none can be
// mounted the test is skipped, or fails if CI=true.
func Small(tb testing.TB, size string) (dir string) {
	tb.Helper()
	dir = tb.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		if os.Getenv("CI") == "true" {
			tb.Fatalf("mounting a small filesystem: %v", err)
		}
		tb.Skipf("SKIPPED, NOT TESTED: mounting a small filesystem: %v", err)
	}
	tb.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			tb.Error(err)
		}
	})
	return dir
}
