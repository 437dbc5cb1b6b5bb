// Package web is what browsers get: the sentences of all pages, the design language, the small scripts, and the token app as it was built.
package web

import "embed"

// Files holds text/, kit/, customer/, console/ and dist/ as they stand beside this file.
//
//go:embed all:dist text kit customer console
var Files embed.FS

// Templates are the templates of transactions that every new key directory begins with; a bank signs its own with `inkan admin templates`.
//
//go:embed text/templates.json
var Templates []byte
