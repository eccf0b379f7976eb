// Answers 204 to everything, in a process of its own.
import { createServer } from 'node:http';

// Says so when it has answered as many as it was told to expect.
let left = Number(process.argv[2]);
const server = createServer((request, response) => {
  request.resume();
  request.on('end', () => {
    response.writeHead(204).end();
    if (--left === 0) process.send('all');
  });
});
server.listen(0, '127.0.0.1', () => process.send(`http://127.0.0.1:${server.address().port}/`));
process.on('disconnect', () => process.exit());
