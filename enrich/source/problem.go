package source

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Problem is something in a definition's file that keeps it from being used.
type Problem struct {
	// File is below the folder that was loaded.
	File string
	// Line counts from 1; 0 when the whole file is meant.
	Line   int
	Reason string
}

// Error is the problem as compilers write them: file:line: reason.
func (p Problem) Error() string {
	if p.Line == 0 {
		return p.File + ": " + p.Reason
	}
	return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Reason)
}

// document is a YAML file of which every value can say its line.
type document struct {
	file string
	root *yaml.Node
}

// problem speaks of the value at a path of keys and indices, or of the nearest
// one above it that the file has.
func (d *document) problem(path []string, format string, args ...any) Problem {
	node, _ := d.find(path)
	return Problem{File: d.file, Line: node.Line, Reason: fmt.Sprintf(format, args...)}
}

// find walks as far as the file goes, and says whether that was the whole way.
func (d *document) find(path []string) (*yaml.Node, bool) {
	node := d.root
	for _, step := range path {
		next := child(node, step)
		if next == nil {
			return node, false
		}
		node = next
	}
	return node, true
}

func child(node *yaml.Node, step string) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	switch node.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i].Value == step {
				return node.Content[i+1]
			}
		}
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(node.Content) {
			return node.Content[i]
		}
	}
	return nil
}

// inText is the line of a place in a scalar, which may be a block of lines.
func (d *document) inText(path []string, offset int, format string, args ...any) Problem {
	node, _ := d.find(path)
	p := Problem{File: d.file, Line: node.Line, Reason: fmt.Sprintf(format, args...)}
	if node.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		p.Line += 1 + strings.Count(node.Value[:min(max(offset, 0), len(node.Value))], "\n")
	}
	return p
}

// sortProblems puts them in the order in which somebody mends them.
func sortProblems(all []Problem) {
	slices.SortStableFunc(all, func(a, b Problem) int {
		if a.File != b.File {
			return strings.Compare(a.File, b.File)
		}
		return a.Line - b.Line
	})
}
