import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

const root = fileURLToPath(new URL('./tokenapp', import.meta.url));
const out = fileURLToPath(new URL('./dist/tokenapp', import.meta.url));

// The worker does not keep itself, the page that it serves under another name, and the licences.
const notKept = /^(sw\.js|index\.html)$|\.txt$/;

/**
 * Writes into the worker what it keeps and under which version. The version is a hash over names and contents:
 * the same sources give the same worker, and any change gives a new one.
 */
function precache() {
  return {
    name: 'precache',
    apply: 'build',
    closeBundle() {
      const files = readdirSync(out, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(out.length + 1).replaceAll('\\', '/'))
        .sort();
      const hash = createHash('sha256');
      for (const file of files) {
        hash.update(file + '\0').update(createHash('sha256').update(readFileSync(join(out, file))).digest());
      }
      const kept = ['/', ...files.filter((file) => !notKept.test(file)).map((file) => '/' + file)];
      const worker = readFileSync(join(out, 'sw.js'), 'utf8');
      const filled = worker
        .replace('__VERSION__', hash.digest('hex').slice(0, 12))
        .replace(/(["'`])__KEPT__\1/, JSON.stringify(kept));
      if (filled.includes('__VERSION__') || filled.includes('__KEPT__')) throw new Error('the worker was not filled in');
      writeFileSync(join(out, 'sw.js'), filled);
    },
  };
}

export default defineConfig(({ mode }) => ({
  root,
  publicDir: 'public',
  cacheDir: fileURLToPath(new URL('./node_modules/.vite', import.meta.url)),
  plugins: [svelte({ configFile: false, compilerOptions: { runes: true } }), precache()],
  // The sentences and the design tokens lie beside the app, not inside it.
  server: { fs: { allow: ['..', '../../testdata'] } },
  build: {
    outDir: out,
    emptyOutDir: true,
    target: ['es2022', 'safari16'],
    sourcemap: false,
    modulePreload: false,
    assetsInlineLimit: 0,
    license: { fileName: 'licenses.txt' },
    reportCompressedSize: true,
    rolldownOptions: {
      input: { index: join(root, 'index.html'), sw: join(root, 'src/sw.ts') },
      output: {
        entryFileNames: (chunk) => (chunk.name === 'sw' ? 'sw.js' : 'assets/[name].js'),
        chunkFileNames: 'assets/[name].js',
        assetFileNames: 'assets/[name][extname]',
      },
    },
  },
  test: {
    include: ['test/**/*.test.ts'],
    environment: 'node',
    // One worker for all files: each start of another one is a chance to run into its time limit on a busy machine.
    fileParallelism: false,
    isolate: false,
  },
  resolve: mode === 'test' ? { conditions: ['browser'] } : {},
}));
