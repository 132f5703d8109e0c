-- The kernels for Lua 5.4 and LuaJIT: lua kernels.lua NAME N
-- LuaJIT's numbers are doubles: there collatz stays below 2^53, and mix uses the bit library (function calls where its JIT is off).
local kernels = {}

local function fib(n)
  if n < 2 then return n end
  return fib(n - 1) + fib(n - 2)
end
kernels.fib = fib

if _VERSION == "Lua 5.4" then -- what LuaJIT cannot parse is text
  kernels.collatz = load [[
    local n = ...
    local total = 0
    for i = 1, n do
      local x = i
      while x ~= 1 do
        if x & 1 ~= 0 then x = 3 * x + 1 else x = x >> 1 end
        total = total + 1
      end
    end
    return total]]
  kernels.mix = load [[
    local n = ...
    local x, s = 2463534242, 0
    for i = 1, n do
      x = x ~ ((x << 13) & 0xffffffff)
      x = x ~ (x >> 17)
      x = x ~ ((x << 5) & 0xffffffff)
      s = s + (x & 255)
    end
    return s]]
else
  local bit = require "bit"
  local bxor, lshift, rshift, band = bit.bxor, bit.lshift, bit.rshift, bit.band

  function kernels.collatz(n)
    local total = 0
    for i = 1, n do
      local x = i
      while x ~= 1 do
        if x % 2 ~= 0 then x = 3 * x + 1 else x = x / 2 end
        total = total + 1
      end
    end
    return total
  end

  function kernels.mix(n)
    local x, s = bit.tobit(2463534242), 0
    for i = 1, n do
      x = bxor(x, lshift(x, 13))
      x = bxor(x, rshift(x, 17))
      x = bxor(x, lshift(x, 5))
      s = s + band(x, 255)
    end
    return s
  end
end

function kernels.sieve(n)
  local cells = {}
  local count = 0
  for r = 1, 5 do
    count = 0
    for i = 1, n do cells[i] = 1 end
    for i = 2, n - 1 do
      if cells[i + 1] ~= 0 then
        count = count + 1
        for j = i + i, n - 1, i do cells[j + 1] = 0 end
      end
    end
  end
  return count
end

function kernels.mandel(n)
  local total = 0
  for py = 0, n - 1 do
    local ci = py * 2.0 / n - 1.0
    for px = 0, n - 1 do
      local cr = px * 3.0 / n - 2.0
      local zr, zi, k = 0.0, 0.0, 0
      while k < 100 do
        local a, b = zr * zr, zi * zi
        if a + b > 4.0 then break end
        zi = 2.0 * zr * zi + ci
        zr = a - b + cr
        k = k + 1
      end
      total = total + k
    end
  end
  return total
end

function kernels.matmul(n)
  local left, right, product = {}, {}, {}
  for i = 0, n * n - 1 do left[i + 1] = (i % 7) + 0.0; right[i + 1] = (i % 5) + 0.0 end
  for i = 0, n - 1 do
    for j = 0, n - 1 do
      local s = 0.0
      for k = 0, n - 1 do s = s + left[i * n + k + 1] * right[k * n + j + 1] end
      product[i * n + j + 1] = s
    end
  end
  local t = 0.0
  for i = 1, n * n do t = t + product[i] end
  return t
end

local name, n = arg[1], math.floor(tonumber(arg[2]))
local run = kernels[name]
local start = os.clock()
local result = run(n)
print(string.format("%s %d %.0f %.9f", name, n, result, os.clock() - start))
