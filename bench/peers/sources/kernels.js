// The kernels for node: node kernels.js NAME N
// Numbers are doubles: collatz stays below 2^53, mix uses the 32-bit operators.

function fib(n) {
  return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

function collatz(n) {
  let total = 0;
  for (let i = 1; i <= n; i++) {
    let x = i;
    while (x !== 1) {
      if (x % 2 !== 0) x = 3 * x + 1; else x = x / 2;
      total++;
    }
  }
  return total;
}

function sieve(n) {
  const cells = new Array(n).fill(0);
  let count = 0;
  for (let r = 0; r < 5; r++) {
    count = 0;
    for (let i = 0; i < n; i++) cells[i] = 1;
    for (let i = 2; i < n; i++) {
      if (cells[i]) {
        count++;
        for (let j = i + i; j < n; j += i) cells[j] = 0;
      }
    }
  }
  return count;
}

function mandel(n) {
  let total = 0;
  for (let py = 0; py < n; py++) {
    const ci = py * 2.0 / n - 1.0;
    for (let px = 0; px < n; px++) {
      const cr = px * 3.0 / n - 2.0;
      let zr = 0.0, zi = 0.0, k = 0;
      while (k < 100) {
        const a = zr * zr, b = zi * zi;
        if (a + b > 4.0) break;
        zi = 2.0 * zr * zi + ci;
        zr = a - b + cr;
        k++;
      }
      total += k;
    }
  }
  return total;
}

function matmul(n) {
  const left = new Array(n * n).fill(0.5), right = new Array(n * n).fill(0.5), product = new Array(n * n).fill(0.5);
  for (let i = 0; i < n * n; i++) { left[i] = i % 7; right[i] = i % 5; }
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      let s = 0.0;
      for (let k = 0; k < n; k++) s += left[i * n + k] * right[k * n + j];
      product[i * n + j] = s;
    }
  }
  let t = 0.0;
  for (let i = 0; i < n * n; i++) t += product[i];
  return t;
}

function mix(n) {
  let x = 2463534242 | 0, s = 0;
  for (let i = 0; i < n; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    s += x & 255;
  }
  return s;
}

const run = { fib, collatz, sieve, mandel, matmul, mix }[process.argv[2]];
const n = Number(process.argv[3]);
const start = process.cpuUsage();
const result = run(n);
const used = process.cpuUsage(start);
console.log(process.argv[2], n, result, ((used.user + used.system) / 1e6).toFixed(6));
