"""The kernels in plain Python, for CPython and PyPy: python kernels.py NAME N."""

import sys
import time


def fib(n: int) -> int:
    """Calls and returns."""
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def collatz(n: int) -> int:
    """Branches on data: all steps from 1..n down to 1."""
    total = 0
    i = 1
    while i <= n:
        x = i
        while x != 1:
            x = 3 * x + 1 if x & 1 else x >> 1
            total += 1
        i += 1
    return total


def sieve(n: int) -> int:
    """An array of ints: primes below n, five times over."""
    cells = [0] * n
    count = 0
    r = 0
    while r < 5:
        count = 0
        i = 0
        while i < n:
            cells[i] = 1
            i += 1
        i = 2
        while i < n:
            if cells[i]:
                count += 1
                j = i + i
                while j < n:
                    cells[j] = 0
                    j += i
            i += 1
        r += 1
    return count


def mandel(n: int) -> int:
    """Floats: all steps of n by n points, at most 100 each."""
    total = 0
    py = 0
    while py < n:
        ci = py * 2.0 / n - 1.0
        px = 0
        while px < n:
            cr = px * 3.0 / n - 2.0
            zr = zi = 0.0
            k = 0
            while k < 100:
                a = zr * zr
                b = zi * zi
                if a + b > 4.0:
                    break
                zi = 2.0 * zr * zi + ci
                zr = a - b + cr
                k += 1
            total += k
            px += 1
        py += 1
    return total


def matmul(n: int) -> int:
    """Arrays of floats: the sum of a product of n by n matrices."""
    left, right, product = [0.0] * (n * n), [0.0] * (n * n), [0.0] * (n * n)
    for i in range(n * n):
        left[i] = float(i % 7)
        right[i] = float(i % 5)
    for i in range(n):
        for j in range(n):
            s = 0.0
            for k in range(n):
                s += left[i * n + k] * right[k * n + j]
            product[i * n + j] = s
    t = 0.0
    for i in range(n * n):
        t += product[i]
    return int(t)


def mix(n: int) -> int:
    """A chain of int operations: xorshift32, the sum of its low bytes."""
    x = 2463534242
    s = 0
    i = 0
    while i < n:
        x = x ^ ((x << 13) & 0xFFFFFFFF)
        x = x ^ (x >> 17)
        x = x ^ ((x << 5) & 0xFFFFFFFF)
        s = s + (x & 255)
        i += 1
    return s


if __name__ == "__main__":
    name, size = sys.argv[1], int(sys.argv[2])
    run = {"fib": fib, "collatz": collatz, "sieve": sieve, "mandel": mandel, "matmul": matmul, "mix": mix}[name]
    start = time.process_time()
    result = run(size)
    print(name, size, result, f"{time.process_time() - start:.9f}")
