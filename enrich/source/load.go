package source

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// maxFile bounds a definition's files; the catalogue's longest has 8 KiB.
const maxFile = 256 << 10

// Load reads all definitions of a folder, one a folder below it, and tries each
// on its fixtures. Those that can be used come back in the order of their
// folders; a broken one costs no other and is one or more problems.
func Load(fsys fs.FS) ([]*Definition, []Problem) { return load(fsys, true) }

func load(fsys fs.FS, try bool) (all []*Definition, problems []Problem) {
	names, err := Folders(fsys)
	if err != nil {
		return nil, []Problem{{File: ".", Reason: "the folder cannot be read: " + plainError(err)}}
	}
	for _, name := range names {
		d, bad := loadOne(fsys, name, try)
		if len(bad) > 0 {
			problems = append(problems, bad...)
			continue
		}
		all = append(all, d)
	}
	sortProblems(problems)
	return all, problems
}

// Folders lists the folders that hold definitions, links to some included: all
// but those whose names begin with a dot or an underscore.
func Folders(fsys fs.FS) (names []string, err error) {
	entries, err := fs.ReadDir(fsys, ".")
	for _, e := range entries {
		if isFolder(fsys, e) && e.Name()[0] != '.' && e.Name()[0] != '_' {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// isFolder follows links. One that leads nowhere counts as a folder, so that
// somebody is told.
func isFolder(fsys fs.FS, e fs.DirEntry) bool {
	if e.Type()&fs.ModeSymlink == 0 {
		return e.IsDir()
	}
	info, err := fs.Stat(fsys, e.Name())
	return err != nil || info.IsDir()
}

// WithOwn loads the operator's own folder beside the sources that ship. A folder
// of the same name replaces the shipped one, also when it is broken: an operator
// who changed a source does not want the other one asked instead.
func WithOwn(own fs.FS) ([]*Definition, []Problem) {
	shipped, problems := Catalogue()
	mine, bad := Own(own)
	all := append(Kept(shipped, own), mine...)
	slices.SortFunc(all, func(a, b *Definition) int { return strings.Compare(a.Name(), b.Name()) })
	return all, append(problems, bad...)
}

// Own loads the operator's own folder.
func Own(own fs.FS) ([]*Definition, []Problem) {
	mine, problems := Load(own)
	for _, d := range mine {
		d.own = true
	}
	return mine, problems
}

// Kept are the shipped sources that the operator's folder does not replace.
func Kept(shipped []*Definition, own fs.FS) (kept []*Definition) {
	names, _ := Folders(own)
	for _, d := range shipped {
		if !slices.Contains(names, d.Name()) {
			kept = append(kept, d)
		}
	}
	return kept
}

// LoadOne reads the definition in one folder, and tries it.
func LoadOne(fsys fs.FS, dir string) (*Definition, []Problem) { return loadOne(fsys, dir, true) }

func loadOne(fsys fs.FS, dir string, try bool) (*Definition, []Problem) {
	d, problems := readOne(fsys, dir, try)
	return d, fewer(problems)
}

// maxProblems are told of one source: a mistake in a map may be one in each row
// of an answer.
const maxProblems = 20

// fewer counts the problems that are too many to be read.
func fewer(all []Problem) []Problem {
	if len(all) <= maxProblems {
		return all
	}
	last := all[maxProblems-1]
	last.Reason = fmt.Sprintf("and %d more problems", len(all)-maxProblems+1)
	return append(slices.Clone(all[:maxProblems-1]), last)
}

func readOne(fsys fs.FS, dir string, try bool) (*Definition, []Problem) {
	var def definition
	doc, problems := readYAML(fsys, path.Join(dir, "source.yaml"), sourceSchema, &def)
	if len(problems) > 0 {
		return nil, problems
	}
	c := &compiler{document: doc, def: &def, library: newLibrary()}
	if def.Source != dir {
		c.fail([]string{"source"}, "a source's folder has its name: %s is in the folder %s", def.Source, dir)
	}
	d := c.compile()
	if len(c.problems) > 0 {
		sortProblems(c.problems)
		return nil, c.problems
	}
	d.text, _ = fs.ReadFile(fsys, path.Join(dir, "source.yaml"))
	if !try {
		return d, nil
	}
	tests, testsDoc, problems := loadFixtures(fsys, dir)
	if len(problems) > 0 {
		return nil, problems
	}
	d.tests = tests
	problems = (&trial{d: d, doc: testsDoc, def: doc}).run()
	if len(problems) > 0 {
		sortProblems(problems)
		return nil, problems
	}
	return d, nil
}

// readYAML reads a file of one YAML document, holds it against a schema and
// decodes it.
func readYAML(fsys fs.FS, file string, schema func() *jsonschema.Schema, into any) (*document, []Problem) {
	whole := func(reason string) (*document, []Problem) {
		return nil, []Problem{{File: file, Reason: reason}}
	}
	info, err := fs.Stat(fsys, file)
	if err != nil {
		return whole("cannot be read: " + plainError(err))
	}
	if info.Size() > maxFile {
		return whole(fmt.Sprintf("is larger than %d KiB", maxFile>>10))
	}
	text, err := fs.ReadFile(fsys, file)
	if err != nil {
		return whole("cannot be read: " + plainError(err))
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var root yaml.Node
	if err := decoder.Decode(&root); err != nil {
		return nil, []Problem{yamlProblem(file, err)}
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return whole("holds more than one YAML document")
	}
	if len(root.Content) != 1 || root.Content[0].Kind != yaml.MappingNode {
		return whole("is not a YAML mapping")
	}
	doc := &document{file: file, root: root.Content[0]}
	var content map[string]any
	if err := root.Decode(&content); err != nil {
		return doc, []Problem{yamlProblem(file, err)}
	}
	if problems := doc.checkSchema(schema(), content); len(problems) > 0 {
		sortProblems(problems)
		return doc, problems
	}
	if err := root.Decode(into); err != nil {
		return doc, []Problem{yamlProblem(file, err)}
	}
	return doc, nil
}

// yamlProblem takes the line out of the YAML package's message.
func yamlProblem(file string, err error) Problem {
	p := Problem{File: file, Reason: err.Error()}
	if at := regexp.MustCompile(`line (\d+): (.*)`).FindStringSubmatch(err.Error()); at != nil {
		p.Line, _ = strconv.Atoi(at[1])
		p.Reason = at[2]
	}
	return p
}

// plainError drops the path, which the problem names already.
func plainError(err error) string {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err.Error()
	}
	return err.Error()
}
