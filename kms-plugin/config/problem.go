package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong in a configuration, and where.
type Problem struct {
	File         string
	Line, Column int
	// Path is as in `keys[0].vault.address`; empty for the file as a whole.
	Path string
	What string
	// Hint says what to do, where that is not plain.
	Hint string
}

// String is file:line:column: path: what; hint.
func (p Problem) String() string {
	var text strings.Builder
	text.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&text, ":%d:%d", p.Line, p.Column)
	}
	text.WriteString(": ")
	if p.Path != "" {
		text.WriteString(p.Path + ": ")
	}
	text.WriteString(p.What)
	if p.Hint != "" {
		text.WriteString("; " + p.Hint)
	}
	return text.String()
}

// Problems is a refused configuration.
type Problems struct {
	List []Problem
	file string
}

func (p *Problems) add(problem Problem) {
	problem.File = p.file
	p.List = append(p.List, problem)
}

// Error has a line for each problem, in the order of the file.
func (p *Problems) Error() string {
	lines := make([]string, len(p.List))
	for i, problem := range p.List {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

func (p *Problems) orNil() error {
	if len(p.List) == 0 {
		return nil
	}
	slices.SortStableFunc(p.List, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return p
}
