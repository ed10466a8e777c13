import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// Opened from a file: relative addresses, and one classic script (index.html loads it), since modules are not loaded from files.
export default defineConfig({
  base: './',
  plugins: [react()],
  define: { 'process.env.NODE_ENV': '"production"', global: 'window' },
  build: {
    chunkSizeWarningLimit: 20000,
    reportCompressedSize: false,
    target: 'esnext',
    minify: false,
    modulePreload: false,
    rollupOptions: { input: 'src/page.jsx', output: { format: 'iife', inlineDynamicImports: true, entryFileNames: 'page.js' } },
  },
});
