-- What wrk asks: a workload by its name, and a number for each request that goes on from run to
-- run, so that no ticket and no key comes twice. Requests are put together by hand: wrk shares its
-- machine with what it measures.
--
-- wrk … URL -- claims 1

local post = "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"

local function account(number)
   return string.format("a%04d", number)
end

-- All accounts in turn, neighbours far apart.
local function scattered(number)
   return (number * 617) % 1000
end

local workloads = {}

function workloads.claims()
   local body = '{"claimant":"c%010d"}'
   local length = #string.format(body, 0)
   local form = post:format("/v1/tickets/t%010d/claims") .. "Content-Length: " .. length .. "\r\n\r\n" .. body
   return function()
      count = count + 1
      return form:format(count, count)
   end
end

function workloads.get()
   local asks = {}
   for number = 0, 999 do
      asks[number] = "GET /v1/accounts/" .. account(number) .. " HTTP/1.1\r\nHost: localhost\r\n\r\n"
   end
   return function()
      count = count + 1
      return asks[scattered(count)]
   end
end

function workloads.deposits()
   local body = '{"amount":"1"}'
   local forms = {}
   for number = 0, 999 do
      forms[number] = post:format("/v1/accounts/" .. account(number) .. "/deposits")
         .. "Content-Length: " .. #body .. "\r\nIdempotency-Key: k%012d\r\n\r\n" .. body
   end
   return function()
      count = count + 1
      return forms[scattered(count)]:format(count)
   end
end

function workloads.batch()
   local operations = {}
   for number = 0, 999 do
      operations[number + 1] = '{"op":"account.deposit","id":"' .. account(number) .. '","amount":"1"}'
   end
   local body = '{"operations":[' .. table.concat(operations, ",") .. "]}"
   local ask = post:format("/v1/batch") .. "Content-Length: " .. #body .. "\r\n\r\n" .. body
   -- A batch is a success whatever its operations have come to; those that have not say so.
   response = function(_, _, answer)
      if answer:find('problem":', 1, true) then
         problems = problems + 1
      end
   end
   return function()
      count = count + 1
      return ask
   end
end

local threads = {}

function setup(thread)
   threads[#threads + 1] = thread
end

function init(args)
   count = tonumber(args[2])
   problems = 0
   request = workloads[args[1]]()
end

function done(summary, latency, _)
   local errors = summary.errors
   io.write(string.format(
      '\nseen {"requests":%d,"micros":%d,"p50":%d,"p99":%d,"max":%d,"unsent":%d,"refused":%d,"count":%d}\n',
      summary.requests, summary.duration,
      latency:percentile(50), latency:percentile(99), latency.max,
      errors.connect + errors.read + errors.write + errors.timeout,
      errors.status + threads[1]:get("problems"), threads[1]:get("count")))
end
