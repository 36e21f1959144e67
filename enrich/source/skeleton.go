package source

import (
	"embed"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
)

//go:embed skeleton
var skeletonFiles embed.FS

// Skeleton gives the files of a new source by their path in its folder: a
// definition that explains itself, of an API that does not exist. It passes its
// trials once it has a real address.
func Skeleton(name string) (map[string][]byte, error) {
	if !regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}$`).MatchString(name) {
		return nil, fmt.Errorf("%.60q cannot be the name of a source: small letters, digits and _", name)
	}
	words := strings.Split(name, "_")
	for i, w := range words {
		if w != "" {
			words[i] = strings.ToUpper(w[:1]) + w[1:]
		}
	}
	fill := strings.NewReplacer("__NAME__", name, "__TITLE__", strings.Join(words, " "), "__ENV__", strings.ToUpper(name))
	files := map[string][]byte{}
	err := fs.WalkDir(skeletonFiles, "skeleton", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := skeletonFiles.ReadFile(path)
		files[strings.TrimPrefix(path, "skeleton/")] = []byte(fill.Replace(string(text)))
		return err
	})
	return files, err
}
