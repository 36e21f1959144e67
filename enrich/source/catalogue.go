package source

import (
	"embed"
	"io/fs"
)

//go:embed all:catalogue
var catalogueFiles embed.FS

// CatalogueFS is the folder of the sources that ship, one a folder.
func CatalogueFS() fs.FS {
	sub, err := fs.Sub(catalogueFiles, "catalogue")
	if err != nil {
		panic("source: the catalogue's name is no path: " + err.Error())
	}
	return sub
}

// Catalogue compiles the sources that ship. Their trials are run when they are
// built, by a test, and not again at each start.
func Catalogue() ([]*Definition, []Problem) { return load(CatalogueFS(), false) }
