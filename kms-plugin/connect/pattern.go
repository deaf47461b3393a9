package connect

import (
	"regexp"
	"sync"
)

// Pattern compiles an expression when it is first used: those with counts are large, and most plugins use one backend.
func Pattern(text string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })
}
