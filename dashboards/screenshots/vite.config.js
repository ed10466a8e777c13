import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// The page is opened from a file, from which browsers load no modules: relative URLs and one classic script.
export default defineConfig({
  base: './',
  plugins: [react()],
  define: { 'process.env.NODE_ENV': '"production"', global: 'window' },
  build: {
    reportCompressedSize: false,
    target: 'esnext',
    minify: false,
    modulePreload: false,
    rollupOptions: { input: 'src/page.jsx', output: { format: 'iife', inlineDynamicImports: true, entryFileNames: 'page.js' } },
  },
});
